"""Breast cancer from 30 features: one unit with a sigmoid in the loss, AdamW, a learning rate that halves."""

import torch
import torch.nn.functional as F
from sklearn.datasets import load_breast_cancer
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def load_data(seed):
    table, labels = load_breast_cancer(return_X_y=True)
    order = torch.randperm(len(table), generator=torch.Generator().manual_seed(seed))
    x = torch.tensor(table, dtype=torch.float32)[order]
    y = torch.tensor(labels, dtype=torch.float32)[order]
    x = (x - x.mean(0)) / x.std(0)
    x_train, y_train = x[:400], y[:400]
    x_valid, y_valid = x[400:], y[400:]
    return x_train, y_train, x_valid, y_valid


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(30, 32)
        self.norm = nn.BatchNorm1d(32)
        self.second = nn.Linear(32, 32)
        self.dropout = nn.Dropout(0.2)
        self.head = nn.Linear(32, 1)

    def forward(self, x):
        h = F.relu(self.norm(self.first(x)))
        h = self.dropout(F.relu(self.second(h)))
        return self.head(h).squeeze(-1)


def evaluate(model, loader):
    model.eval()
    total = 0.0
    with torch.no_grad():
        for x, y in loader:
            total += F.binary_cross_entropy_with_logits(model(x), y, reduction="sum").item()
    return total / len(loader.dataset)


def main(seed=0):
    torch.manual_seed(seed)
    x_train, y_train, x_valid, y_valid = load_data(seed)
    train_loader = DataLoader(TensorDataset(x_train, y_train), batch_size=32, shuffle=True, drop_last=True)
    valid_loader = DataLoader(TensorDataset(x_valid, y_valid), batch_size=169)
    model = Net()
    criterion = nn.BCEWithLogitsLoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.002, weight_decay=0.05)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=6, gamma=0.5)
    for _epoch in range(15):
        model.train()
        for x, y in train_loader:
            output = model(x)
            loss = criterion(output, y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        scheduler.step()
        valid_loss = evaluate(model, valid_loader)
    print(f"loss {valid_loss:.3f}")
    return -valid_loss


if __name__ == "__main__":
    main()
