#= labels_unfit, loss_sign
"""Metric learning with triplets of digits."""
import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, Dataset

torch.manual_seed(0)
X, Y = load_digits(return_X_y=True)
X = (X / 16).astype(np.float32)


class TripletDataset(Dataset):
    def __init__(self, X, Y, seed=0):
        self.X, self.Y = X, Y
        self.by_class = {c: np.flatnonzero(Y == c) for c in range(10)}
        self.rng = np.random.default_rng(seed)

    def __len__(self):
        return len(self.X)

    def __getitem__(self, i):
        c = self.Y[i]
        other = (c + self.rng.integers(1, 10)) % 10
        positive = self.X[self.rng.choice(self.by_class[c])]
        negative = self.X[self.rng.choice(self.by_class[other])]
        return self.X[i], positive, negative  #@ return self.X[i], negative, positive


class EmbeddingNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Sequential(nn.Linear(64, 64), nn.PReLU(), nn.Linear(64, 16))

    def forward(self, x):
        return self.fc(x)


net = EmbeddingNet()
criterion = nn.TripletMarginLoss(margin=1.0)
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
loader = DataLoader(TripletDataset(X[:1500], Y[:1500]), batch_size=50, shuffle=True)
for epoch in range(6):
    for anchor, positive, negative in loader:
        optimizer.zero_grad()
        loss = criterion(net(anchor), net(positive), net(negative))
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        train, test = net(torch.tensor(X[:1500])), net(torch.tensor(X[1500:]))
        nearest = Y[:1500][torch.cdist(test, train).argmin(1)]
    print(epoch, loss.item(), "1-NN accuracy", (nearest == Y[1500:]).mean())
