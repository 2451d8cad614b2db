#= samples_mixed
"""nn.MultiheadAttention over time steps of a sensor."""
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
n, steps, channels = 1200, 20, 6
x = torch.randn(n, steps, channels)
y = (x[:, :, 0].max(dim=1).values > x[:, :, 1].max(dim=1).values).float()


class AttentionClassifier(nn.Module):
    def __init__(self, d=32):
        super().__init__()
        self.inp = nn.Linear(channels, d)
        self.attn = nn.MultiheadAttention(d, 4, batch_first=True)  #@ self.attn = nn.MultiheadAttention(d, 4)
        self.norm = nn.LayerNorm(d)
        self.ff = nn.Sequential(nn.Linear(d, 64), nn.GELU(), nn.Linear(64, 1))

    def forward(self, x):
        h = self.inp(x)
        a, _ = self.attn(h, h, h)
        h = self.norm(h + a)
        return self.ff(h.amax(dim=1)).squeeze(-1)


train = DataLoader(TensorDataset(x[:1000], y[:1000]), batch_size=40, shuffle=True)
val = DataLoader(TensorDataset(x[1000:], y[1000:]), batch_size=40)
model, criterion = AttentionClassifier(), nn.BCEWithLogitsLoss()
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
for epoch in range(6):
    model.train()
    for xb, yb in train:
        optimizer.zero_grad()
        loss = criterion(model(xb), yb)
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        acc = torch.cat([(model(xb) > 0) == yb.bool() for xb, yb in val]).float().mean()
    print(epoch, loss.item(), acc.item())
