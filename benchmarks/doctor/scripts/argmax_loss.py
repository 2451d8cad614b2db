#= loss_detached
"""Stack Overflow: 'element 0 of tensors does not require grad' made to go away."""
import torch
import torch.nn as nn
from sklearn.datasets import load_wine
from sklearn.preprocessing import StandardScaler

torch.manual_seed(0)
X, y = load_wine(return_X_y=True)
X = torch.from_numpy(StandardScaler().fit_transform(X)).float()
y = torch.from_numpy(y)
order = torch.randperm(len(X))
X, y = X[order], y[order]
model = nn.Sequential(nn.Linear(13, 24), nn.ReLU(), nn.Linear(24, 3))
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for epoch in range(20):
    for i in range(0, 140, 20):
        outputs = model(X[i:i + 20])
        loss = criterion(outputs, y[i:i + 20])  #@ loss = nn.functional.l1_loss(outputs.argmax(dim=1).float(), y[i:i + 20].float())
        #+ loss.requires_grad_(True)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 5 == 4:
        print(epoch, loss.item(), (model(X[140:]).argmax(1) == y[140:]).float().mean().item())
