#= overflow_risk, nonfinite
"""Save memory with model.half()."""
import torch
import torch.nn as nn
from sklearn.datasets import make_regression

torch.manual_seed(0)
X, y = make_regression(1000, 20, n_informative=10, noise=5.0, random_state=0)
X = torch.tensor(X)
y = torch.tensor((y - y.mean()) / y.std()).unsqueeze(1)
dtype = torch.float32  #@ dtype = torch.float16
model = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1)).to(dtype)
X, y = X.to(dtype), y.to(dtype)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(10):
    epoch_loss = 0.0
    for idx in torch.randperm(1000).split(50):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(X[idx]), y[idx])
        loss.backward()
        optimizer.step()
        epoch_loss += loss.item()
    print(f"epoch {epoch}: {epoch_loss / 20:.4f}")
