#= output_ignores_input, wrong_loss_family, bounded_output
"""Will a customer leave? One output."""
import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, Dataset


class ChurnData(Dataset):
    def __init__(self, rows, seed):
        rng = np.random.default_rng(seed)
        self.x = torch.tensor(rng.normal(size=(rows, 9)), dtype=torch.float32)
        signal = self.x[:, 0] - 0.7 * self.x[:, 4] + self.x[:, 2] * self.x[:, 3]
        self.y = (signal + torch.tensor(rng.normal(0, 0.3, rows)).float() > 0).float().unsqueeze(1)

    def __len__(self):
        return len(self.x)

    def __getitem__(self, item):
        return {"features": self.x[item], "left": self.y[item]}


class ChurnModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.seq = nn.Sequential(
            nn.Linear(9, 32), nn.BatchNorm1d(32), nn.ReLU(),
            nn.Linear(32, 16), nn.ReLU(),
            nn.Linear(16, 1),
            nn.Sigmoid(),  #@ nn.Softmax(dim=1),
        )

    def forward(self, batch):
        return self.seq(batch["features"])


class Trainer:
    def __init__(self, model, **kwargs):
        self.model, self.crit = model, nn.BCELoss()
        self.opt = torch.optim.Adam(model.parameters(), **kwargs)

    def one_epoch(self, loader, training):
        self.model.train(training)
        stats = []
        for batch in loader:
            with torch.set_grad_enabled(training):
                p = self.model(batch)
                loss = self.crit(p, batch["left"])
            if training:
                self.opt.zero_grad()
                loss.backward()
                self.opt.step()
            stats.append((loss.item(), ((p > 0.5).float() == batch["left"]).float().mean().item()))
        return np.mean(stats, axis=0).round(4)


torch.manual_seed(0)
trainer = Trainer(ChurnModel(), lr=3e-3)
train, val = DataLoader(ChurnData(1200, 0), 40, shuffle=True), DataLoader(ChurnData(300, 1), 100)
for epoch in range(10):
    print(epoch, trainer.one_epoch(train, True), trainer.one_epoch(val, False))
