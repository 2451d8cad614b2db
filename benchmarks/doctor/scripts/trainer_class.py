#= gradients_not_cleared
"""A trainer class with callbacks, on handwritten digits."""
from dataclasses import dataclass

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn


@dataclass
class Config:
    hidden: int = 96
    batch_size: int = 50
    epochs: int = 8
    lr: float = 0.05


class Trainer:
    def __init__(self, model, config, callbacks=()):
        self.model, self.config, self.callbacks = model, config, callbacks
        self.loss_fn = nn.CrossEntropyLoss()
        self.optim = torch.optim.SGD(model.parameters(), lr=config.lr, momentum=0.9)

    def fit(self, train, valid):
        for epoch in range(self.config.epochs):
            self.model.train()
            #+ self.optim.zero_grad()
            for batch in train:
                self.train_step(batch)
            score = self.validate(valid)
            for callback in self.callbacks:
                callback(epoch, score)

    def train_step(self, batch):
        features, labels = batch
        loss = self.loss_fn(self.model(features), labels)
        self.optim.zero_grad()  #@
        loss.backward()
        self.optim.step()
        return loss.item()

    @torch.no_grad()
    def validate(self, valid):
        self.model.eval()
        hits = [(self.model(x).argmax(-1) == y).float().mean().item() for x, y in valid]
        return sum(hits) / len(hits)


torch.manual_seed(3)
config = Config()
images, digits = load_digits(return_X_y=True)
x_train, x_test, y_train, y_test = train_test_split(images / 16.0, digits, test_size=0.25, random_state=0)


def loader(x, y, shuffle):
    data = torch.utils.data.TensorDataset(torch.tensor(x).float(), torch.tensor(y))
    return torch.utils.data.DataLoader(data, config.batch_size, shuffle=shuffle)


net = nn.Sequential(nn.Linear(64, config.hidden), nn.ReLU(), nn.Linear(config.hidden, 10))
trainer = Trainer(net, config, [lambda epoch, score: print(f"{epoch}: {score:.3f}")])
trainer.fit(loader(x_train, y_train, True), loader(x_test, y_test, False))
