#= leak_across_splits
#: segments are split at random although many segments come from one subject: subject identity leaks into validation
"""Heartbeat segments, healthy vs. arrhythmia, 1-D CNN."""
import numpy as np
import torch
from torch import nn
from torch.utils.data import TensorDataset, DataLoader, Subset

rs = np.random.RandomState(8)
torch.manual_seed(8)
N_SUBJ, PER_SUBJ, L = 90, 14, 64


def beats():
    segs, labels, subj = [], [], []
    t = np.linspace(0, 1, L)
    for s in range(N_SUBJ):
        sick = s % 2
        pos, width, amp = rs.uniform(.45, .55), rs.uniform(.02, .06), rs.uniform(.8, 1.6)
        base = amp * np.exp(-((t - pos) / width) ** 2)
        own = sum(rs.randn() * np.sin(2 * np.pi * k * t + rs.rand() * 6) for k in range(1, 6)) * .18
        for _ in range(PER_SUBJ):
            x = base + own + .15 * rs.randn(L)
            if sick:
                x = x + 1.1 * np.exp(-((t - pos - .18) / .04) ** 2) * rs.uniform(.5, 1.)
            segs.append(x)
            labels.append(sick)
            subj.append(s)
    return np.array(segs, dtype=np.float32)[:, None], np.array(labels), np.array(subj)


X, y, subject = beats()
ds = TensorDataset(torch.from_numpy(X), torch.from_numpy(y))
held_out = rs.permutation(N_SUBJ)[:30]
is_val = np.isin(subject, held_out)  #@ is_val = rs.rand(len(ds)) < 1 / 3
train_set = Subset(ds, np.where(~is_val)[0].tolist())
val_set = Subset(ds, np.where(is_val)[0].tolist())
train_loader = DataLoader(train_set, batch_size=32, shuffle=True)
val_loader = DataLoader(val_set, batch_size=128)


class BeatNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv1d(1, 16, 7, padding=3), nn.BatchNorm1d(16), nn.ReLU(), nn.MaxPool1d(2),
            nn.Conv1d(16, 32, 5, padding=2), nn.BatchNorm1d(32), nn.ReLU(), nn.MaxPool1d(2))
        self.classifier = nn.Linear(32 * 16, 2)

    def forward(self, x):
        return self.classifier(self.features(x).flatten(1))


model = BeatNet()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
loss_fn = nn.CrossEntropyLoss()
for epoch in range(10):
    model.train()
    s = 0.
    for xb, yb in train_loader:
        optimizer.zero_grad()
        loss = loss_fn(model(xb), yb)
        loss.backward()
        optimizer.step()
        s += loss.item() * len(yb)
    model.eval()
    with torch.no_grad():
        res = torch.cat([model(xb).argmax(1) == yb for xb, yb in val_loader])
    print("epoch %d  train loss %.3f  val acc %.3f" % (epoch, s / len(train_set), res.float().mean().item()))
