"""Gradient accumulation with a remainder at the end of the epoch, small micro batches."""
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import StandardScaler

torch.manual_seed(16)
ACCUM = 4
bc = load_breast_cancer()
perm = torch.randperm(len(bc.target)).numpy()
X, y = bc.data[perm], bc.target[perm]
scaler = StandardScaler().fit(X[:430])
X = torch.tensor(scaler.transform(X), dtype=torch.float32)
y = torch.tensor(y)
train_loader = DataLoader(TensorDataset(X[:430], y[:430]), batch_size=8, shuffle=True)
valid = (X[430:], y[430:])

model = nn.Sequential(nn.Linear(30, 24), nn.Tanh(), nn.Linear(24, 2))
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.03, momentum=0.9, weight_decay=5e-3)
updates = 0

for epoch in range(9):
    model.train()
    running = 0.0
    optimizer.zero_grad()
    n_batches = len(train_loader)
    for i, (xb, yb) in enumerate(train_loader):
        # size of the current accumulation window (the last one can be shorter)
        window = min(ACCUM, n_batches - (i // ACCUM) * ACCUM)
        loss = criterion(model(xb), yb)
        (loss / window).backward()
        running += loss.item()
        if (i + 1) % ACCUM == 0 or (i + 1) == n_batches:
            optimizer.step()
            optimizer.zero_grad()
            updates += 1
    model.eval()
    with torch.no_grad():
        out = model(valid[0])
    if epoch % 3 == 2:
        print(f"epoch {epoch + 1:2d} updates {updates} train {running / n_batches:.4f} "
              f"valid {criterion(out, valid[1]).item():.4f} acc {(out.argmax(1) == valid[1]).float().mean().item():.4f}")
