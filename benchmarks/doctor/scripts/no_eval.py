#= train_mode_in_evaluation
"""Early stopping by the validation loss."""
import copy

import torch
from sklearn.datasets import load_breast_cancer
from torch import nn

torch.manual_seed(0)
x, y = load_breast_cancer(return_X_y=True)
x = torch.tensor((x - x.mean(0)) / x.std(0), dtype=torch.float32)
y = torch.tensor(y, dtype=torch.float32).unsqueeze(1)
model = nn.Sequential(nn.Linear(30, 64), nn.ReLU(), nn.Dropout(0.5), nn.Linear(64, 1))
criterion = nn.BCEWithLogitsLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
best, patience, saved = float("inf"), 0, None
for epoch in range(30):
    model.train()
    for idx in torch.randperm(450).split(30):
        optimizer.zero_grad()
        loss = criterion(model(x[idx]), y[idx])
        loss.backward()
        optimizer.step()
    model.eval()  #@
    with torch.no_grad():
        valid = criterion(model(x[450:]), y[450:]).item()
    print(epoch, valid)
    if valid < best:
        best, patience, saved = valid, 0, copy.deepcopy(model.state_dict())
    else:
        patience += 1
        if patience >= 8:
            break
model.load_state_dict(saved)
