#= direction_consistent, loss_oscillates, update_too_large, diverging
"""Adam with its betas in the wrong order."""
import torch
import torch.nn as nn
from sklearn.datasets import load_digits

torch.manual_seed(0)
X, y = load_digits(return_X_y=True)
X, y = torch.tensor(X / 16, dtype=torch.float32), torch.tensor(y)
model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
beta1, beta2 = 0.9, 0.999  #@ beta1, beta2 = 0.999, 0.9
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3, betas=(beta1, beta2), eps=1e-8)
for epoch in range(10):
    model.train()
    total = 0
    for idx in torch.randperm(1500).split(50):
        optimizer.zero_grad(set_to_none=True)
        loss = nn.functional.cross_entropy(model(X[idx]), y[idx])
        loss.backward()
        optimizer.step()
        total += loss.item()
    print(f"epoch {epoch:2d} loss {total / 30:.4f}")
