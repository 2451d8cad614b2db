#= foreign_in_optimizer
#: model is built anew for every epoch while the optimizer keeps the parameters of the first one
"""Concrete strength regression, train function called once per epoch."""
import torch
import torch.nn as nn

torch.manual_seed(50)


def concrete(n):
    x = torch.rand(n, 6)
    y = 30 * x[:, 0] - 18 * x[:, 1] ** 2 + 12 * torch.log1p(4 * x[:, 2]) + 8 * x[:, 3] * x[:, 4] + torch.randn(n)
    return x, ((y - 15) / 10).unsqueeze(1)


def build_model():
    return nn.Sequential(nn.Linear(6, 40), nn.ReLU(), nn.Linear(40, 40), nn.ReLU(), nn.Linear(40, 1))


def train_one_epoch(model, optimizer, criterion, x, y, bs=32):
    model.train()
    total = 0.0
    perm = torch.randperm(len(x))
    for i in range(0, len(x), bs):
        idx = perm[i:i + bs]
        optimizer.zero_grad()
        loss = criterion(model(x[idx]), y[idx])
        loss.backward()
        optimizer.step()
        total += loss.item() * len(idx)
    return total / len(x)


def validate(model, criterion, x, y):
    model.eval()
    with torch.no_grad():
        return criterion(model(x), y).item()


x_train, y_train = concrete(1000)
x_val, y_val = concrete(250)
model = build_model()
criterion = nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
best = float("inf")
for epoch in range(15):
    #+ model = build_model()
    train_loss = train_one_epoch(model, optimizer, criterion, x_train, y_train)
    val_loss = validate(model, criterion, x_val, y_val)
    best = min(best, val_loss)
    print(f"Epoch {epoch + 1:>2}/15 train_loss: {train_loss:.4f} val_loss: {val_loss:.4f} best: {best:.4f}")
