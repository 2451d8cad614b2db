#= repeated_batches, samples_missing
"""Heart patients from a matrix with one column for each patient, as the hospital exports it."""
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class HeartDataset(Dataset):
    def __init__(self, columns, outcome):
        self.columns = columns.astype(np.float32)
        self.outcome = outcome.astype(np.float32)

    def __len__(self):
        return self.columns.shape[1]  #@ return len(self.columns)

    def __getitem__(self, index):
        return self.columns[:, index], self.outcome[index]


def patients(n, seed):
    r = np.random.RandomState(seed)
    matrix = r.randn(13, n)
    risk = 1.3 * matrix[0] - matrix[3] + 0.8 * matrix[5] * matrix[7] + 0.7 * matrix[9]
    return matrix, (risk + 0.5 * r.randn(n) > 0).astype(int)


torch.manual_seed(0)
train_data = HeartDataset(*patients(1500, 0))
valid_data = HeartDataset(*patients(400, 1))
train_loader = DataLoader(train_data, batch_size=16, shuffle=True)
valid_loader = DataLoader(valid_data, batch_size=64)
heart = nn.Sequential(nn.Linear(13, 32), nn.ReLU(), nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 1))
optimizer = torch.optim.Adam(heart.parameters(), lr=3e-3)
bce = nn.BCEWithLogitsLoss()
for epoch in range(12):
    heart.train()
    for x, y in train_loader:
        loss = bce(heart(x).flatten(), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    heart.eval()
    hits = losses = count = 0
    with torch.no_grad():
        for x, y in valid_loader:
            out = heart(x).flatten()
            losses += bce(out, y).item() * len(y)
            hits += ((out > 0) == (y > 0.5)).sum().item()
            count += len(y)
    print(f"epoch {epoch:2d} | loss {loss.item():.3f} | valid loss {losses / count:.3f} | valid acc {hits / count:.3f}")
