#= not_in_optimizer
#: optimizer is created before the fc layer gets replaced, so the new layer is never updated
"""Transfer learning: train a net on digits 0-4, replace fc, finetune on 5-9."""
import torch
import torch.nn as nn
import torch.optim as optim
from torch.utils.data import DataLoader, TensorDataset
from sklearn.datasets import load_digits

torch.manual_seed(4)
d = load_digits()
X = torch.tensor(d.data / 16.0, dtype=torch.float32)
Y = torch.tensor(d.target)


def subset(mask, offset):
    xs, ys = X[mask], Y[mask] - offset
    p = torch.randperm(len(xs), generator=torch.Generator().manual_seed(1))
    k = int(.7 * len(xs))
    tr = TensorDataset(xs[p[:k]], ys[p[:k]])
    te = TensorDataset(xs[p[k:]], ys[p[k:]])
    return DataLoader(tr, 16, shuffle=True), DataLoader(te, 200)


class MiniResNet(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.stem = nn.Linear(64, 64)
        self.block = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64))
        self.fc = nn.Linear(64, num_classes)

    def forward(self, x):
        x = torch.relu(self.stem(x))
        x = torch.relu(x + self.block(x))
        return self.fc(x)


def run_epoch(model, loader, criterion, optimizer=None):
    model.train(optimizer is not None)
    loss_sum, hit, n = 0., 0, 0
    with torch.set_grad_enabled(optimizer is not None):
        for x, y in loader:
            out = model(x)
            loss = criterion(out, y)
            if optimizer is not None:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            loss_sum += loss.item() * len(y)
            hit += (out.argmax(1) == y).sum().item()
            n += len(y)
    return loss_sum / n, hit / n


criterion = nn.CrossEntropyLoss()
model = MiniResNet(5)
old_train, old_test = subset(Y < 5, 0)
opt = optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
for _ in range(8):
    run_epoch(model, old_train, criterion, opt)
print("pretraining acc", run_epoch(model, old_test, criterion)[1])

new_train, new_test = subset(Y >= 5, 5)
for name, p in model.named_parameters():
    p.requires_grad = name.startswith("block") or name.startswith("fc")

model.fc = nn.Linear(64, 5)  #@ optimizer_ft = optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
optimizer_ft = optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)  #@ model.fc = nn.Linear(64, 5)
for epoch in range(8):
    tl, ta = run_epoch(model, new_train, criterion, optimizer_ft)
    vl, va = run_epoch(model, new_test, criterion)
    print(f"finetune {epoch + 1} train {tl:.3f}/{ta:.3f} val {vl:.3f}/{va:.3f}")
