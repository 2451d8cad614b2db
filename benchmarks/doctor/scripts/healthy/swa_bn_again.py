"""Stochastic weight averaging: constant high learning rate in the last third, averaged model with batch-norm statistics recomputed before the test."""
import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from torch.optim.swa_utils import SWALR, AveragedModel, update_bn
from torch.utils.data import DataLoader, TensorDataset


class Trainer:
    def __init__(self, model, train_dl, test_dl, epochs, swa_start):
        self.model, self.train_dl, self.test_dl, self.epochs, self.swa_start = model, train_dl, test_dl, epochs, swa_start
        self.optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
        self.scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, T_max=epochs)
        self.swa_model = AveragedModel(model)
        self.swa_scheduler = SWALR(self.optimizer, swa_lr=0.03, anneal_epochs=2)
        self.loss_fn = nn.CrossEntropyLoss()

    def train_epoch(self):
        self.model.train()
        total = 0.0
        for x, y in self.train_dl:
            self.optimizer.zero_grad()
            loss = self.loss_fn(self.model(x), y)
            loss.backward()
            self.optimizer.step()
            total += loss.item()
        return total / len(self.train_dl)

    @torch.no_grad()
    def test(self, model):
        model.eval()
        n = ok = 0
        for x, y in self.test_dl:
            ok += (model(x).argmax(1) == y).sum().item()
            n += len(y)
        return ok / n

    def fit(self):
        for epoch in range(self.epochs):
            loss = self.train_epoch()
            if epoch >= self.swa_start:
                self.swa_model.update_parameters(self.model)
                self.swa_scheduler.step()
            else:
                self.scheduler.step()
            print(f"epoch {epoch:2d} lr {self.optimizer.param_groups[0]['lr']:.4f} loss {loss:.4f} test {self.test(self.model):.4f}")
        update_bn(self.train_dl, self.swa_model)
        print(f"averaged model test {self.test(self.swa_model):.4f}")


if __name__ == "__main__":
    torch.manual_seed(271)
    d = load_digits()
    x, y = torch.tensor(d.images, dtype=torch.float32)[:, None] / 16, torch.tensor(d.target)
    x = x + 0.25 * torch.randn_like(x)
    i = torch.randperm(len(x))
    net = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
                        nn.Conv2d(16, 24, 3, padding=1, bias=False), nn.BatchNorm2d(24), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(96, 10))
    Trainer(net, DataLoader(TensorDataset(x[i[:1200]], y[i[:1200]]), 40, shuffle=True, drop_last=True),
            DataLoader(TensorDataset(x[i[1200:]], y[i[1200:]]), 200), epochs=12, swa_start=8).fit()
