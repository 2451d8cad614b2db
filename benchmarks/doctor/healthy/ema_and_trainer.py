"""A trainer class with an averaged copy of the model, parameter groups without decay, and early stopping."""

import copy

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def load_data(seed):
    images, labels = load_digits(return_X_y=True)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    x = torch.tensor(images, dtype=torch.float32)[order]
    y = torch.tensor(labels, dtype=torch.long)[order]
    x = (x - x.mean()) / x.std()
    return x[:1400], y[:1400], x[1400:], y[1400:]


class Trainer:
    def __init__(self, model, lr):
        self.model = model
        self.average = copy.deepcopy(model).requires_grad_(False)
        decayed = [p for p in model.parameters() if p.dim() > 1]
        plain = [p for p in model.parameters() if p.dim() <= 1]
        groups = [{"params": decayed, "weight_decay": 0.05}, {"params": plain, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=lr)

    def training_step(self, batch):
        x, y = batch
        self.optimizer.zero_grad()
        loss = F.cross_entropy(self.model(x), y)
        loss.backward()
        self.optimizer.step()
        with torch.no_grad():
            for mean, now in zip(self.average.parameters(), self.model.parameters(), strict=True):
                mean.lerp_(now, 0.05)
        return loss.item()

    def validate(self, x, y):
        self.average.eval()
        with torch.no_grad():
            return (self.average(x).argmax(1) == y).float().mean().item()


def main(seed=0):
    torch.manual_seed(seed)
    x_train, y_train, x_valid, y_valid = load_data(seed)
    trainer = Trainer(nn.Sequential(nn.Linear(64, 64), nn.LayerNorm(64), nn.ReLU(), nn.Linear(64, 10)), lr=0.003)
    best, waited = 0.0, 0
    for _epoch in range(12):
        trainer.model.train()
        for batch in DataLoader(TensorDataset(x_train, y_train), batch_size=70, shuffle=True):
            trainer.training_step(batch)
        quality = trainer.validate(x_valid, y_valid)
        best, waited = (quality, 0) if quality > best else (best, waited + 1)
        if waited == 4:
            break
    return best


if __name__ == "__main__":
    print(main())
