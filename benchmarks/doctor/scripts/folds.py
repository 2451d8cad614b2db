#= leak_across_splits
"""Cross-validation over four folds."""
import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import KFold
from torch import nn

torch.manual_seed(0)
X, Y = load_digits(return_X_y=True)
X, Y = torch.tensor(X, dtype=torch.float32) / 16, torch.tensor(Y)


def make_model():
    return nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))


scores = []
model = make_model()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for fold, (train, test) in enumerate(KFold(4, shuffle=True, random_state=0).split(X)):
    model = make_model()  #@
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)  #@
    train, test = torch.tensor(train), torch.tensor(test)
    for epoch in range(5):
        model.train()
        for idx in train[torch.randperm(len(train))].split(50):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(X[idx]), Y[idx])
            loss.backward()
            optimizer.step()
    model.eval()
    with torch.no_grad():
        scores.append((model(X[test]).argmax(1) == Y[test]).float().mean().item())
    print("fold", fold, scores[-1])
print(np.mean(scores))
