"""Early stopping with a scheduler made for more epochs, gradient clipping and the best weights kept."""
import copy

import torch
from sklearn.datasets import load_breast_cancer
from torch import nn

torch.manual_seed(0)
X, y = load_breast_cancer(return_X_y=True)
order = torch.randperm(len(X))
X, y = torch.tensor(X).float()[order], torch.tensor(y).float()[order]
X = (X - X[:380].mean(0)) / X[:380].std(0)
model = nn.Sequential(nn.Linear(30, 32), nn.ReLU(), nn.Dropout(0.3), nn.Linear(32, 1), nn.Flatten(0))
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.05)
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=200)
best, best_weights, waited = float("inf"), None, 0
for epoch in range(200):
    model.train()
    for i in torch.randperm(380).split(38):
        loss = nn.functional.binary_cross_entropy_with_logits(model(X[i]), y[i])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    scheduler.step()
    model.eval()
    with torch.no_grad():
        value = nn.functional.binary_cross_entropy_with_logits(model(X[380:]), y[380:]).item()
    if value < best - 1e-4:
        best, best_weights, waited = value, copy.deepcopy(model.state_dict()), 0
    else:
        waited += 1
        if waited == 5:
            break
model.load_state_dict(best_weights)
print(epoch, best)
