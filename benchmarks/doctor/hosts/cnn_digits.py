"""Handwritten digits, classified by a convolutional net with batch norm: SGD with momentum, a decay per epoch."""

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def load_data(seed):
    digits = load_digits()
    order = torch.randperm(len(digits.images), generator=torch.Generator().manual_seed(seed))
    x = torch.tensor(digits.images, dtype=torch.float32)[order].unsqueeze(1)
    y = torch.tensor(digits.target, dtype=torch.long)[order]
    x = (x - x.mean()) / x.std()
    x_train, y_train = x[:1280], y[:1280]
    x_valid, y_valid = x[1280:], y[1280:]
    return x_train, y_train, x_valid, y_valid


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 8, 3, padding=1)
        self.norm1 = nn.BatchNorm2d(8)
        self.second = nn.Conv2d(8, 16, 3, padding=1)
        self.norm2 = nn.BatchNorm2d(16)
        self.dropout = nn.Dropout(0.2)
        self.head = nn.Linear(16 * 4, 10)

    def forward(self, x):
        h = F.relu(self.norm1(self.first(x)))
        h = F.max_pool2d(h, 2)
        h = F.relu(self.norm2(self.second(h)))
        h = F.max_pool2d(h, 2)
        h = self.dropout(h.flatten(1))
        return self.head(h)


def evaluate(model, loader):
    model.eval()
    right = 0
    with torch.no_grad():
        for x, y in loader:
            right += (model(x).argmax(1) == y).sum().item()
    return right / len(loader.dataset)


def main(seed=0):
    torch.manual_seed(seed)
    x_train, y_train, x_valid, y_valid = load_data(seed)
    train_loader = DataLoader(TensorDataset(x_train, y_train), batch_size=64, shuffle=True)
    valid_loader = DataLoader(TensorDataset(x_valid, y_valid), batch_size=128)
    model = Net()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=0.0005)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=4, gamma=0.3)
    for epoch in range(10):
        model.train()
        for x, y in train_loader:
            optimizer.zero_grad()
            output = model(x)
            loss = criterion(output, y)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
        scheduler.step()
        accuracy = evaluate(model, valid_loader)
        print(f"epoch {epoch}: accuracy {accuracy:.3f}")
    return accuracy


if __name__ == "__main__":
    main()
