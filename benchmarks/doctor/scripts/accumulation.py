#= accumulation_not_divided
"""Gradient accumulation over four parts, in a loop by iterator."""
import argparse

import torch
from sklearn.datasets import load_digits

parser = argparse.ArgumentParser()
parser.add_argument("--accumulate", type=int, default=4)
parser.add_argument("--micro", type=int, default=16)
args = parser.parse_args()


def cycle(x, y, size):
    while True:
        for idx in torch.randperm(len(x)).split(size):
            yield x[idx], y[idx]


def main():
    torch.manual_seed(5)
    data, labels = load_digits(return_X_y=True)
    x = torch.tensor(data, dtype=torch.float32) / 8 - 1
    y = torch.tensor(labels)
    x_train, y_train, x_test, y_test = x[300:], y[300:], x[:300], y[:300]
    model = torch.nn.Sequential(torch.nn.Linear(64, 80), torch.nn.SiLU(), torch.nn.Linear(80, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    batches = cycle(x_train, y_train, args.micro)
    for update in range(150):
        model.train()
        optimizer.zero_grad()
        for _ in range(args.accumulate):
            inputs, targets = next(batches)
            loss = torch.nn.functional.cross_entropy(model(inputs), targets)
            (loss / args.accumulate).backward()  #@ loss.backward()
        optimizer.step()
        if update % 50 == 49:
            model.eval()
            with torch.no_grad():
                accuracy = (model(x_test).argmax(1) == y_test).float().mean()
            print(update, loss.item(), accuracy.item())


main()
