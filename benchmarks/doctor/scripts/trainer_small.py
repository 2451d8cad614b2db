#= gradients_not_cleared
"""A small Trainer class around a residual MLP, configured by a dataclass."""
from __future__ import annotations

import dataclasses
import logging

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

log = logging.getLogger("train")


@dataclasses.dataclass
class Config:
    epochs: int = 8
    batch_size: int = 64
    lr: float = 0.05
    momentum: float = 0.9
    width: int = 96
    seed: int = 17


class Residual(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.fc = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.fc(self.norm(x))


class Trainer:
    def __init__(self, model: nn.Module, train: DataLoader, val: DataLoader, cfg: Config):
        self.model, self.train_loader, self.val_loader, self.cfg = model, train, val, cfg
        self.optimizer = torch.optim.SGD(model.parameters(), lr=cfg.lr, momentum=cfg.momentum)
        self.criterion = nn.CrossEntropyLoss()

    def training_step(self, batch) -> Tensor:
        x, y = batch
        return self.criterion(self.model(x), y)

    def run_epoch(self) -> float:
        self.model.train()
        total = 0.0
        for batch in self.train_loader:
            self.optimizer.zero_grad()  #@
            loss = self.training_step(batch)
            loss.backward()
            self.optimizer.step()
            total += loss.item()
        return total / len(self.train_loader)

    @torch.no_grad()
    def validate(self) -> float:
        self.model.eval()
        correct = sum((self.model(x).argmax(1) == y).sum().item() for x, y in self.val_loader)
        return correct / len(self.val_loader.dataset)

    def fit(self) -> None:
        for epoch in range(self.cfg.epochs):
            loss = self.run_epoch()
            log.info("epoch %d loss %.4f val_acc %.4f", epoch, loss, self.validate())


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    cfg = Config()
    torch.manual_seed(cfg.seed)
    x, y = load_digits(return_X_y=True)
    x, y = torch.tensor(x, dtype=torch.float32) / 8 - 1, torch.tensor(y)
    train = DataLoader(TensorDataset(x[:1400], y[:1400]), cfg.batch_size, shuffle=True, drop_last=True)
    val = DataLoader(TensorDataset(x[1400:], y[1400:]), 256)
    model = nn.Sequential(nn.Linear(64, cfg.width), *(Residual(cfg.width) for _ in range(3)), nn.Linear(cfg.width, 10))
    Trainer(model, train, val, cfg).fit()


if __name__ == "__main__":
    main()
