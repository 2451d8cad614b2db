#= too_few_steps
"""Early stopping by a class of one's own."""
import torch
from torch import nn


class EarlyStopping:
    def __init__(self, patience=5, min_delta=0.0):
        self.patience, self.min_delta = patience, min_delta
        self.counter, self.best, self.early_stop = 0, float("inf"), False

    def __call__(self, val_loss):
        if val_loss < self.best - self.min_delta:
            self.best = val_loss
            self.counter = 0  #@ self.counter += 1
        else:
            self.counter += 1  #@ self.counter = 0
        if self.counter >= self.patience:
            self.early_stop = True


torch.manual_seed(1)
X = torch.randn(1200, 10)
y = (X[:, :3].prod(1) + X[:, 3].sin() + 0.1 * torch.randn(1200)).unsqueeze(1)
model = nn.Sequential(nn.Linear(10, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
stopper = EarlyStopping(patience=5)
for epoch in range(100):
    model.train()
    for rows in torch.randperm(1000).split(50):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(X[rows]), y[rows])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        val_loss = nn.functional.mse_loss(model(X[1000:]), y[1000:]).item()
    stopper(val_loss)
    if stopper.early_stop:
        print("stopped after", epoch + 1)
        break
print(epoch + 1, "epochs: train", loss.item(), "val", val_loss, "best", stopper.best)
