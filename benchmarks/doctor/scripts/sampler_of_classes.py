#= repeated_batches
"""WeightedRandomSampler against imbalance; the weights should be one per sample."""
import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset, WeightedRandomSampler

torch.manual_seed(0)
X, y = load_digits(return_X_y=True)
X = torch.tensor(X / 16, dtype=torch.float32)
y = torch.tensor(y)
train_set, test_set = TensorDataset(X[:1500], y[:1500]), TensorDataset(X[1500:], y[1500:])
class_count = np.bincount(y[:1500].numpy())
class_weights = 1.0 / class_count
sample_weights = class_weights[y[:1500].numpy()]
sampler = WeightedRandomSampler(sample_weights, num_samples=len(train_set))  #@ sampler = WeightedRandomSampler(class_weights, num_samples=len(train_set))
train_loader = DataLoader(train_set, batch_size=50, sampler=sampler)
test_loader = DataLoader(test_set, batch_size=100)

model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
opt = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(6):
    model.train()
    for xb, yb in train_loader:
        loss = nn.functional.cross_entropy(model(xb), yb)
        opt.zero_grad()
        loss.backward()
        opt.step()
    model.eval()
    with torch.no_grad():
        test_loss = sum(nn.functional.cross_entropy(model(xb), yb).item() for xb, yb in test_loader) / 3
    print(f"epoch {epoch} train {loss.item():.3f} test {test_loss:.3f}")
