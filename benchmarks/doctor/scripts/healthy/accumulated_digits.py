"""Digits MLP with gradient accumulation over four micro-batches."""
import torch
import torch.nn as nn
from sklearn.datasets import load_digits

torch.manual_seed(0)
ACCUM = 4
X, y = load_digits(return_X_y=True)
X = torch.tensor(X / 16.0, dtype=torch.float32)
y = torch.tensor(y)
perm = torch.randperm(len(X))
X, y = X[perm], y[perm]
X_train, y_train, X_test, y_test = X[:1400], y[:1400], X[1400:], y[1400:]


class MLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(64, 64)
        self.fc2 = nn.Linear(64, 10)

    def forward(self, x):
        return self.fc2(torch.relu(self.fc1(x)))


model = MLP()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
criterion = nn.CrossEntropyLoss()

for epoch in range(15):
    model.train()
    optimizer.zero_grad()
    running = 0.0
    chunks = torch.randperm(len(X_train)).split(10)
    for i, idx in enumerate(chunks):
        loss = criterion(model(X_train[idx]), y_train[idx]) / ACCUM
        loss.backward()
        running += loss.item() * ACCUM
        if (i + 1) % ACCUM == 0 or i + 1 == len(chunks):
            optimizer.step()
            optimizer.zero_grad()
    model.eval()
    with torch.no_grad():
        acc = (model(X_test).argmax(1) == y_test).float().mean().item()
    print(f"epoch {epoch} loss {running / len(chunks):.4f} test acc {acc:.3f}")
