#= loss_broadcasts
"""Linear regression by hand with numpy arrays turned into tensors."""
import numpy as np
import torch

np.random.seed(0)
torch.manual_seed(0)
X = np.random.randn(500, 5)
true_w = np.array([1.5, -2.0, 0.7, 0.0, 3.0])
y = X @ true_w + 0.5 + 0.1 * np.random.randn(500)
X, y = torch.tensor(X, dtype=torch.float32), torch.tensor(y, dtype=torch.float32)

w = torch.zeros(5, 1, requires_grad=True)
b = torch.zeros(1, requires_grad=True)
opt = torch.optim.SGD([w, b], lr=0.05)


def mse(pred, target):
    return ((pred - target) ** 2).mean()


for epoch in range(20):
    perm = torch.randperm(400)
    for i in range(0, 400, 40):
        xb, yb = X[perm[i:i + 40]], y[perm[i:i + 40]]
        pred = (xb @ w + b).squeeze(1)  #@ pred = xb @ w + b
        loss = mse(pred, yb)
        loss.backward()
        opt.step()
        opt.zero_grad()
    print(epoch, loss.item())
print("w", w.detach().flatten().tolist())
