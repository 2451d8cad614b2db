"""A mixture of experts with hard routing: some batches leave an expert without any sample."""

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


class Mixture(nn.Module):
    def __init__(self, experts=12):
        super().__init__()
        self.router = nn.Linear(64, experts)
        self.experts = nn.ModuleList(nn.Sequential(nn.Linear(64, 32), nn.ReLU()) for _ in range(experts))
        self.head = nn.Linear(32, 10)

    def forward(self, x):
        weight, chosen = self.router(x).softmax(-1).max(-1)
        h = torch.zeros(len(x), 32)
        for number, expert in enumerate(self.experts):
            rows = (chosen == number).nonzero().squeeze(-1)
            if len(rows):
                h = h.index_add(0, rows, weight[rows, None] * expert(x[rows]))
        return self.head(h)


@torch.no_grad()
def accuracy(model, x, y):
    model.eval()
    return (model(x).argmax(1) == y).float().mean().item()


def main(seed=0):
    torch.manual_seed(seed)
    x_train, y_train, x_valid, y_valid = load_data(seed)
    model = Mixture()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
    loader = DataLoader(TensorDataset(x_train, y_train), batch_size=56, shuffle=True)
    for _epoch in range(7):
        model.train()
        for x, y in loader:
            loss = F.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return accuracy(model, x_valid, y_valid)


if __name__ == "__main__":
    print(main())
