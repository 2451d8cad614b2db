#= schedule_wrong, schedule_mismatch
"""Reduce the learning rate on a plateau of the validation loss."""
import torch
import torch.nn as nn
from sklearn.datasets import make_moons
from torch.optim.lr_scheduler import ReduceLROnPlateau

torch.manual_seed(0)
X, y = make_moons(1200, noise=0.15, random_state=0)
X, y = torch.tensor(X).float(), torch.tensor(y).float().unsqueeze(1)
train_X, train_y, val_X, val_y = X[:900], y[:900], X[900:], y[900:]

model = nn.Sequential(nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1))
criterion = nn.BCEWithLogitsLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
scheduler = ReduceLROnPlateau(optimizer, mode="min", factor=0.1, patience=2)  #@ scheduler = ReduceLROnPlateau(optimizer, mode="max", factor=0.1, patience=2)

for epoch in range(40):
    model.train()
    for idx in torch.randperm(900).split(45):
        optimizer.zero_grad()
        loss = criterion(model(train_X[idx]), train_y[idx])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        val_loss = criterion(model(val_X), val_y)
    scheduler.step(val_loss)
    if epoch % 10 == 9:
        print(f"epoch {epoch} val_loss {val_loss:.4f} lr {optimizer.param_groups[0]['lr']:.1e}")
