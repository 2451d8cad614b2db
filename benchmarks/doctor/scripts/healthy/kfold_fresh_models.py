"""Cross-validation: a new model and a new optimizer for each fold, and the loss jumps back each time."""
import numpy as np
import torch
from sklearn.datasets import load_wine
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import StandardScaler
from torch import nn

X, y = load_wine(return_X_y=True)
scores = []
for fold, (train, test) in enumerate(StratifiedKFold(4, shuffle=True, random_state=0).split(X, y)):
    torch.manual_seed(fold)
    scaler = StandardScaler().fit(X[train])
    xtr, xte = (torch.tensor(scaler.transform(X[i]), dtype=torch.float32) for i in (train, test))
    ytr, yte = torch.tensor(y[train]), torch.tensor(y[test])
    model = nn.Sequential(nn.Linear(13, 24), nn.ReLU(), nn.Dropout(0.2), nn.Linear(24, 3))
    opt = torch.optim.Adam(model.parameters(), lr=0.01)
    for epoch in range(25):
        model.train()
        for b in torch.randperm(len(xtr)).split(16):
            opt.zero_grad()
            loss = nn.functional.cross_entropy(model(xtr[b]), ytr[b])
            loss.backward()
            opt.step()
    model.eval()
    scores.append((model(xte).argmax(1) == yte).float().mean().item())
    print('fold', fold, 'loss', loss.item(), 'acc', scores[-1])
print('mean', np.mean(scores))
