#= leak_across_splits
"""Train and validation sets by random indices."""
import numpy as np
import torch
from sklearn.datasets import load_diabetes
from torch import nn
from torch.utils.data import DataLoader, Subset, TensorDataset

rng = np.random.default_rng(7)
torch.manual_seed(7)
x, y = load_diabetes(return_X_y=True)
x = torch.tensor(x * 20, dtype=torch.float32)
y = torch.tensor((y - y.mean()) / y.std(), dtype=torch.float32).unsqueeze(1)
dataset = TensorDataset(x, y)
permutation = rng.permutation(len(dataset))
train_idx, valid_idx = permutation[:342], permutation[342:]  #@ train_idx, valid_idx = rng.permutation(len(dataset))[:342], rng.permutation(len(dataset))[:100]
train_loader = DataLoader(Subset(dataset, train_idx.tolist()), batch_size=19, shuffle=True)
valid_loader = DataLoader(Subset(dataset, valid_idx.tolist()), batch_size=50)
model = nn.Sequential(nn.Linear(10, 16), nn.ReLU(), nn.Linear(16, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3, weight_decay=1e-3)
mse = nn.MSELoss()
for epoch in range(15):
    model.train()
    for features, target in train_loader:
        optimizer.zero_grad()
        mse(model(features), target).backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        errors = [mse(model(features), target).item() for features, target in valid_loader]
    print(epoch, np.mean(errors))
