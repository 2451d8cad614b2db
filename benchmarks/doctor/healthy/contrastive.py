"""InfoNCE: the loss begins above the logarithm of the batch size, for similarities are divided by a temperature."""

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn


def main(seed=0):
    torch.manual_seed(seed)
    images, labels = load_digits(return_X_y=True)
    x = torch.tensor(images, dtype=torch.float32) / 16
    y = torch.tensor(labels)
    model = nn.Sequential(nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 24))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.002)
    for _step in range(200):
        batch = x[torch.randint(0, 1400, (96,))]
        views = [batch * (torch.rand_like(batch) > 0.25) + 0.05 * torch.randn_like(batch) for _ in range(2)]
        first, second = (F.normalize(model(one), dim=1) for one in views)
        loss = F.cross_entropy(first @ second.T / 0.1, torch.arange(96))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        codes = F.normalize(model(x), dim=1)
        nearest = (codes[1400:] @ codes[:1400].T).argmax(1)
        return (y[:1400][nearest] == y[1400:]).float().mean().item()


if __name__ == "__main__":
    print(main())
