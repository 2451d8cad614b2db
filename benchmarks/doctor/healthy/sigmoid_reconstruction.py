"""A dense autoencoder of pixels in [0, 1] with sigmoids inside and at the end, by binary cross-entropy."""

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader


def main(seed=0):
    torch.manual_seed(seed)
    x = torch.tensor(load_digits().data, dtype=torch.float32) / 16
    model = nn.Sequential(nn.Linear(64, 40), nn.Sigmoid(), nn.Linear(40, 64), nn.Sigmoid())
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _epoch in range(9):
        for batch in DataLoader(x[:1500], batch_size=60, shuffle=True):
            loss = F.binary_cross_entropy(model(batch), batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        return -F.binary_cross_entropy(model(x[1500:]), x[1500:]).item()


if __name__ == "__main__":
    print(main())
