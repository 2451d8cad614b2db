#= validation_differs
"""Breast cancer; the training table is standardized."""
import torch
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(12)
X, y = load_breast_cancer(return_X_y=True)
order = torch.randperm(len(X)).numpy()
X, y = X[order], y[order]
X_train, X_val, y_train, y_val = X[:450], X[450:], y[:450], y[450:]
scaler = StandardScaler()
X_train = scaler.fit_transform(X_train)
X_val = scaler.transform(X_val)  #@
tensor = lambda a: torch.tensor(a, dtype=torch.float32)
train_loader = DataLoader(TensorDataset(tensor(X_train), tensor(y_train)), batch_size=15, shuffle=True)
val_loader = DataLoader(TensorDataset(tensor(X_val), tensor(y_val)), batch_size=60)
model = nn.Sequential(nn.Linear(30, 16), nn.ReLU(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 1))
criterion = nn.BCEWithLogitsLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)


def evaluate(loader):
    model.eval()
    with torch.no_grad():
        outputs = [(model(x).squeeze(1), target) for x, target in loader]
    loss = sum(criterion(o, target).item() for o, target in outputs) / len(outputs)
    hits = sum(((o > 0).float() == target).sum().item() for o, target in outputs)
    return loss, hits / sum(len(target) for _, target in outputs)


for epoch in range(12):
    model.train()
    for inputs, target in train_loader:
        optimizer.zero_grad()
        loss = criterion(model(inputs).squeeze(1), target)
        loss.backward()
        optimizer.step()
    print(epoch, loss.item(), *evaluate(val_loader))
