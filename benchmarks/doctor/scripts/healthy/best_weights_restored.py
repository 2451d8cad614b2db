"""Early stopping with restored best weights, on a small noisy data set."""
import copy
import torch
import torch.nn as nn
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split

torch.manual_seed(4)
X, y = load_diabetes(return_X_y=True)
Xtr, Xte, ytr, yte = train_test_split(X, y, test_size=0.2, random_state=0)
Xtr, Xva, ytr, yva = train_test_split(Xtr, ytr, test_size=0.2, random_state=1)
m, s = ytr.mean(), ytr.std()


def prep(X, y):
    return torch.tensor(X * 20, dtype=torch.float32), torch.tensor((y - m) / s, dtype=torch.float32)[:, None]


(xt, yt), (xv, yv), (xe, ye) = prep(Xtr, ytr), prep(Xva, yva), prep(Xte, yte)
model = nn.Sequential(nn.Linear(10, 50), nn.ReLU(), nn.Linear(50, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
mse = nn.MSELoss()
best, best_state, patience, bad = float("inf"), None, 15, 0
for epoch in range(150):
    model.train()
    for idx in torch.randperm(len(xt)).split(32):
        optimizer.zero_grad()
        loss = mse(model(xt[idx]), yt[idx])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        val = mse(model(xv), yv).item()
    if val < best - 1e-4:
        best, best_state, bad = val, copy.deepcopy(model.state_dict()), 0
    else:
        bad += 1
        if bad > patience:
            print("stop at epoch", epoch)
            break
model.load_state_dict(best_state)
model.eval()
with torch.no_grad():
    test = mse(model(xe), ye).item()
print(f"best val {best:.3f} test mse {test:.3f} R2 {1 - test / ye.var(unbiased=False).item():.3f}")
