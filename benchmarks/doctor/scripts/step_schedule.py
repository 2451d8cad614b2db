#= schedule_wrong, schedule_mismatch
"""CIFAR-style recipe (SGD, momentum, StepLR) on the little digits."""
import argparse
import time

import torch
import torch.nn as nn
import torch.optim as optim
from sklearn.datasets import load_digits
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser(description='digits')
parser.add_argument('--epochs', default=9, type=int)
parser.add_argument('-b', '--batch-size', default=32, type=int)
parser.add_argument('--lr', default=0.05, type=float)
parser.add_argument('--step-size', default=4, type=int)
parser.add_argument('--gamma', default=0.3, type=float)


class AverageMeter:
    def __init__(self):
        self.sum = self.count = 0

    def update(self, val, n=1):
        self.sum += val * n
        self.count += n

    @property
    def avg(self):
        return self.sum / self.count


def basic_block(i, o):
    return nn.Sequential(nn.Conv2d(i, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU(inplace=True))


def train(loader, model, criterion, optimizer, scheduler):
    losses = AverageMeter()
    model.train()
    for inputs, target in loader:
        loss = criterion(model(inputs), target)
        losses.update(loss.item(), inputs.size(0))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        #+ scheduler.step()
    scheduler.step()  #@
    return losses.avg


def validate(loader, model):
    top1 = AverageMeter()
    model.eval()
    with torch.no_grad():
        for inputs, target in loader:
            top1.update((model(inputs).argmax(1) == target).float().mean().item(), inputs.size(0))
    return top1.avg


def main():
    args = parser.parse_args()
    torch.manual_seed(0)
    digits = load_digits()
    x = torch.tensor(digits.images, dtype=torch.float32)[:, None]
    x = (x - x.mean()) / x.std()
    y = torch.tensor(digits.target)
    train_loader = DataLoader(TensorDataset(x[:1400], y[:1400]), args.batch_size, shuffle=True)
    val_loader = DataLoader(TensorDataset(x[1400:], y[1400:]), 200)
    model = nn.Sequential(basic_block(1, 12), nn.MaxPool2d(2), basic_block(12, 24), nn.AdaptiveAvgPool2d(2),
                          nn.Flatten(), nn.Linear(96, 10))
    optimizer = optim.SGD(model.parameters(), args.lr, momentum=0.9, weight_decay=5e-4)
    scheduler = StepLR(optimizer, step_size=args.step_size, gamma=args.gamma)
    for epoch in range(args.epochs):
        end = time.time()
        loss = train(train_loader, model, nn.CrossEntropyLoss(), optimizer, scheduler)
        print(f'Epoch: [{epoch}] Loss {loss:.4f} Prec@1 {100 * validate(val_loader, model):.2f} Time {time.time() - end:.2f}')


if __name__ == '__main__':
    main()
