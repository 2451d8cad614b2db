#= update_too_small
"""Multilayer perceptron on digits with argparse, my first 'real' script."""
import argparse

import torch
import torch.nn as nn
from sklearn.datasets import load_digits


def get_args():
    p = argparse.ArgumentParser()
    p.add_argument('--epochs', type=int, default=25)
    p.add_argument('--batch-size', type=int, default=32)
    p.add_argument('--lr', type=float, default=5e-2)  #@ p.add_argument('--lr', type=float, default=5e-5)
    p.add_argument('--hidden', type=int, default=100)
    p.add_argument('--seed', type=int, default=0)
    return p.parse_args()


def main(args):
    torch.manual_seed(args.seed)
    d = load_digits()
    X = torch.tensor(d.data).float() / 16.
    Y = torch.tensor(d.target)
    order = torch.randperm(len(X))
    X, Y = X[order], Y[order]
    split = int(0.8 * len(X))
    model = nn.Sequential(nn.Linear(64, args.hidden), nn.ReLU(), nn.Linear(args.hidden, args.hidden), nn.ReLU(),
                          nn.Linear(args.hidden, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=args.lr)
    for epoch in range(args.epochs):
        avg = 0.
        batches = torch.randperm(split).split(args.batch_size)
        for b in batches:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(X[b]), Y[b])
            loss.backward()
            optimizer.step()
            avg += loss.item() / len(batches)
        if epoch % 4 == 0:
            with torch.no_grad():
                a = (model(X[split:]).argmax(-1) == Y[split:]).float().mean()
            print(f'[{epoch:02d}] loss={avg:.4f} val_acc={a.item():.4f}')


if __name__ == '__main__':
    main(get_args())
