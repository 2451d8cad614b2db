"""Where does the time of my own loop go? Two changed lines and one more."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import hasten


def main() -> None:
    data = TensorDataset(torch.randn(2000, 20), torch.randint(0, 3, (2000,)))
    loader = DataLoader(data, batch_size=50, shuffle=True)
    model = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 3))
    optimizer = torch.optim.AdamW(model.parameters())
    criterion = nn.CrossEntropyLoss()

    with hasten.watch(model, optimizer) as watched:
        for inputs, targets in watched.batches(loader):
            optimizer.zero_grad()
            loss = criterion(model(inputs), targets)
            loss.backward()
            optimizer.step()
    print(watched.profile().verdict)


if __name__ == "__main__":
    main()
