#= foreign_in_optimizer, not_in_optimizer
"""Five folds of the diabetes table, a fresh network for each."""
import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import load_diabetes
from sklearn.model_selection import KFold

torch.manual_seed(0)
X, y = load_diabetes(return_X_y=True, scaled=True)
X = torch.tensor(X * 21, dtype=torch.float32)
y = torch.tensor((y - y.mean()) / y.std(), dtype=torch.float32).unsqueeze(1)


def make_net():
    return nn.Sequential(nn.Linear(10, 16), nn.ReLU(), nn.Linear(16, 1))


net = make_net()
adam = torch.optim.Adam(net.parameters(), lr=0.01)
scores = []
for fold, (train_index, test_index) in enumerate(KFold(5, shuffle=True, random_state=0).split(X)):
    net = make_net()
    adam = torch.optim.Adam(net.parameters(), lr=0.01)  #@
    x_fold, y_fold = X[train_index], y[train_index]
    for epoch in range(20):
        net.train()
        for rows in torch.randperm(len(x_fold)).split(32):
            adam.zero_grad()
            error = nn.functional.mse_loss(net(x_fold[rows]), y_fold[rows])
            error.backward()
            adam.step()
    net.eval()
    with torch.no_grad():
        scores.append(nn.functional.mse_loss(net(X[test_index]), y[test_index]).item())
    print("fold", fold, "train", error.item(), "test", scores[-1])
print("mean", np.mean(scores))
