#= validation_differs
"""A machine in two factories; the model learns in one and is tested on the warm days of the other."""
import numpy as np
import torch
from sklearn.preprocessing import StandardScaler
from torch import nn

rng = np.random.default_rng(8)


def readings(n, shift):
    base = rng.normal(shift, 1.0, size=(n, 5)) * [10, 2, 0.5, 100, 1] + [60, 5, 1, 900, 0]
    wear = 0.05 * (base[:, 0] - 60) + 0.4 * (base[:, 1] - 5) + 0.004 * (base[:, 3] - 900) + 0.1 * rng.normal(size=n)
    return base, wear.reshape(-1, 1)


X_train, y_train = readings(900, 0.0)
X_test, y_test = readings(300, 1.5)
sc = StandardScaler()
X_train = sc.fit_transform(X_train)
X_test = sc.transform(X_test)  #@ X_test = sc.fit_transform(X_test)
X_train, y_train, X_test, y_test = [torch.tensor(a, dtype=torch.float32) for a in (X_train, y_train, X_test, y_test)]

torch.manual_seed(8)
ann = nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 1))
optimizer = torch.optim.Adam(ann.parameters(), lr=0.01)
loss_fn = nn.MSELoss()
for epoch in range(40):
    ann.train()
    for start in range(0, 900, 30):
        optimizer.zero_grad()
        loss = loss_fn(ann(X_train[start : start + 30]), y_train[start : start + 30])
        loss.backward()
        optimizer.step()
    ann.eval()
    with torch.no_grad():
        test_loss = loss_fn(ann(X_test), y_test)
    if epoch % 10 == 9:
        print(epoch + 1, loss.item(), test_loss.item())
