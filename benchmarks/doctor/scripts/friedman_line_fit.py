#= loss_broadcasts
# Stack Overflow "Simple linear regression in PyTorch" (out is (N,1), y is (N,)): the subtraction broadcasts to (N,N), so the model is pulled to the mean; a right diagnosis names the shape mismatch and asks for view(-1).
import torch
import torch.nn as nn
from sklearn.datasets import make_friedman1
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

torch.manual_seed(0)
X, y = make_friedman1(n_samples=1500, n_features=6, noise=0.3, random_state=0)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.25, random_state=1)
sx, sy = StandardScaler().fit(X_train), StandardScaler().fit(y_train[:, None])
X_train = torch.tensor(sx.transform(X_train), dtype=torch.float32)
X_test = torch.tensor(sx.transform(X_test), dtype=torch.float32)
y_train = torch.tensor(sy.transform(y_train[:, None])[:, 0], dtype=torch.float32)
y_test = torch.tensor(sy.transform(y_test[:, None])[:, 0], dtype=torch.float32)

model = nn.Sequential(nn.Linear(6, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)

loss_history = []
for epoch in range(60):
    perm = torch.randperm(len(X_train))
    for i in range(0, len(perm), 64):
        idx = perm[i:i + 64]
        x, target = X_train[idx], y_train[idx]
        out = model(x)
        out = out.view(-1)  #@
        loss = torch.mean((out - target) ** 2)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss_history.append(loss.item())
    if epoch % 10 == 9:
        print("epoch", epoch + 1, "loss", sum(loss_history[-18:]) / 18)

with torch.no_grad():
    pred = model(X_test).view(-1)
    mse = ((pred - y_test) ** 2).mean().item()
print("test mse %.4f   test R2 %.4f" % (mse, 1 - mse / y_test.var().item()))
