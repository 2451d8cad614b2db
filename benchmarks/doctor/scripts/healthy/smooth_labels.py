import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset
from sklearn.datasets import load_digits

torch.manual_seed(0)
d = load_digits()
x, y = torch.tensor(d.images / 16.0).float().unsqueeze(1), torch.tensor(d.target)
p = torch.randperm(len(y))
train = DataLoader(TensorDataset(x[p[:1400]], y[p[:1400]]), batch_size=64, shuffle=True)
model = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
                      nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.AdaptiveAvgPool2d(2),
                      nn.Flatten(), nn.Linear(128, 10))
criterion = nn.CrossEntropyLoss(label_smoothing=0.2)
opt = torch.optim.AdamW(model.parameters(), lr=3e-3)
sched = torch.optim.lr_scheduler.OneCycleLR(opt, 1e-2, total_steps=12 * len(train))
for epoch in range(12):
    model.train()
    for a, b in train:
        loss = criterion(model(a), b)
        opt.zero_grad()
        loss.backward()
        opt.step()
        sched.step()
    model.eval()
    with torch.no_grad():
        out = model(x[p[1400:]])
        acc = (out.argmax(1) == y[p[1400:]]).float().mean().item()
    print(f"epoch {epoch+1} smoothed loss {loss.item():.4f} lr {sched.get_last_lr()[0]:.5f} acc {acc:.4f}")
