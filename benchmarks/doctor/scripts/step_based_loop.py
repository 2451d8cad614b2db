#= repeated_batches
# remembered: Stack Overflow "next(iter(dataloader)) always returns the same batch": the loader is not shuffled and a new iterator is made at every step, so only the first batch is ever used; a right diagnosis says keep one iterator.
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset
from sklearn.datasets import load_digits

torch.manual_seed(0)
d = load_digits()
x = torch.tensor(d.data / 16.0, dtype=torch.float32)
y = torch.tensor(d.target)
perm = torch.randperm(len(y))
x, y = x[perm], y[perm]
train_loader = DataLoader(TensorDataset(x[:1400], y[:1400]), batch_size=32, shuffle=False)


def endless(loader):
    while True:
        for batch in loader:
            yield batch


batches = endless(train_loader)
model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for step in range(1, 801):
    xb, yb = next(batches)  #@ xb, yb = next(iter(train_loader))
    loss = nn.functional.cross_entropy(model(xb), yb)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 100 == 0:
        with torch.no_grad():
            test_logits = model(x[1400:])
            acc = (test_logits.argmax(1) == y[1400:]).float().mean().item()
            tl = nn.functional.cross_entropy(test_logits, y[1400:]).item()
        print(f"step {step} train loss {loss.item():.4f} test loss {tl:.4f} test acc {acc:.4f}")
