#= labels_unfit, wrong_loss_family
"""Siamese embedding of digits with a cosine loss over pairs."""
import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

rng = np.random.default_rng(0)
torch.manual_seed(0)
X, Y = load_digits(return_X_y=True)
X = (X / 16.0).astype("float32")


class PairDataset(torch.utils.data.Dataset):
    def __init__(self, images, labels, size):
        self.images, self.labels, self.size = images, labels, size

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        first = rng.integers(len(self.images))
        if index % 2:
            second = rng.choice(np.flatnonzero(self.labels == self.labels[first]))
        else:
            second = rng.choice(np.flatnonzero(self.labels != self.labels[first]))
        same = 1.0 if self.labels[first] == self.labels[second] else -1.0  #@ same = 1.0 if self.labels[first] == self.labels[second] else 0.0
        return self.images[first], self.images[second], np.float32(same)


tower = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 16))
criterion = nn.CosineEmbeddingLoss(margin=0.2)
optimizer = torch.optim.Adam(tower.parameters(), 1e-3)
pairs = torch.utils.data.DataLoader(PairDataset(X[:1400], Y[:1400], 2000), batch_size=64, shuffle=True)
for epoch in range(5):
    total = 0.0
    for left, right, same in pairs:
        loss = criterion(tower(left), tower(right), same)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item()
    print(epoch, total / len(pairs))
