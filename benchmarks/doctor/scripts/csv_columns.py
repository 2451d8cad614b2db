#= target_shift
"""Predict the progression of diabetes from a csv file, with a Dataset of our own."""
import csv
import io
import random

import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import load_diabetes
from torch.utils.data import DataLoader, Dataset

random.seed(42)
np.random.seed(42)
torch.manual_seed(42)

data = load_diabetes()
buffer = io.StringIO()
writer = csv.writer(buffer)
writer.writerow(data.feature_names + ["progression"])
for values, label in zip(data.data, data.target):
    writer.writerow([f"{v:.6f}" for v in values] + [label])
buffer.seek(0)


class DiabetesDataset(Dataset):
    def __init__(self, rows, stats=None):
        self.rows = np.array(rows, dtype=np.float32)
        self.stats = stats or (self.rows.mean(axis=0), self.rows.std(axis=0))
        self.rows = (self.rows - self.stats[0]) / self.stats[1]

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, idx):
        row = self.rows[idx]
        x = torch.from_numpy(row[:-1])  #@ x = torch.from_numpy(row)
        y = torch.tensor(row[-1])
        return x, y


reader = csv.reader(buffer)
header = next(reader)
rows = list(reader)
random.shuffle(rows)
train_ds = DiabetesDataset(rows[:350])
test_ds = DiabetesDataset(rows[350:], train_ds.stats)
train_loader = DataLoader(train_ds, batch_size=32, shuffle=True)
test_loader = DataLoader(test_ds, batch_size=64)

n_features = train_ds[0][0].shape[0]
model = nn.Sequential(nn.Linear(n_features, 32), nn.ReLU(), nn.Linear(32, 1))
criterion = nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

for epoch in range(30):
    model.train()
    running = 0.0
    for x, y in train_loader:
        optimizer.zero_grad()
        loss = criterion(model(x).squeeze(1), y)
        loss.backward()
        optimizer.step()
        running += loss.item() * len(x)
    model.eval()
    total = 0.0
    with torch.no_grad():
        for x, y in test_loader:
            total += criterion(model(x).squeeze(1), y).item() * len(x)
    if epoch % 10 == 9:
        print(f"epoch {epoch} train {running / len(train_ds):.3f} test {total / len(test_ds):.3f}")
