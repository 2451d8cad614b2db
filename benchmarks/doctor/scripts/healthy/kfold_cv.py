"""Five-fold cross validation on the diabetes data: new model, scaler and optimizer in every fold."""
import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import load_diabetes
from sklearn.model_selection import KFold
from sklearn.preprocessing import StandardScaler

torch.manual_seed(101)
X, y = load_diabetes(return_X_y=True)
X, y = X.astype("float32"), y.astype("float32")[:, None]


def reset_weights(m):
    if hasattr(m, "reset_parameters"):
        m.reset_parameters()


def build():
    net = nn.Sequential(nn.Linear(10, 16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 1))
    net.apply(reset_weights)
    return net


fold_scores = []
for fold, (tr, va) in enumerate(KFold(n_splits=5, shuffle=True, random_state=0).split(X)):
    sx, sy = StandardScaler().fit(X[tr]), StandardScaler().fit(y[tr])
    xtr, xva = torch.tensor(sx.transform(X[tr])), torch.tensor(sx.transform(X[va]))
    ytr, yva = torch.tensor(sy.transform(y[tr])), torch.tensor(sy.transform(y[va]))
    net = build()
    opt = torch.optim.Adam(net.parameters(), lr=5e-3, weight_decay=1e-2)
    for epoch in range(20):
        net.train()
        for b in torch.randperm(len(xtr)).split(32):
            loss = nn.functional.mse_loss(net(xtr[b]), ytr[b])
            opt.zero_grad()
            loss.backward()
            opt.step()
    net.eval()
    with torch.no_grad():
        val = nn.functional.mse_loss(net(xva), yva).item()
    r2 = 1 - val / yva.var(unbiased=False).item()
    fold_scores.append(r2)
    print(f"fold {fold} train size {len(tr)} last train loss {loss.item():.3f} val mse {val:.3f} R2 {r2:.3f}")
print("cross-validated R2: %.3f +- %.3f" % (np.mean(fold_scores), np.std(fold_scores)))
