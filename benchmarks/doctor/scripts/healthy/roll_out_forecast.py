"""Multi-step forecasting with an autoregressive roll-out at test time (one-step model)."""
import numpy as np
import torch
import torch.nn as nn

torch.manual_seed(19)
np.random.seed(19)
t = np.arange(1400)
series = np.sin(2 * np.pi * t / 25) + 0.4 * np.sin(2 * np.pi * t / 60) + 0.03 * np.random.randn(1400)
W = 40
split = 1100
train, test = series[:split], series[split - W:]


def windows(a):
    v = np.lib.stride_tricks.sliding_window_view(a, W + 1)
    return torch.tensor(v[:, :-1].copy(), dtype=torch.float32)[..., None], torch.tensor(v[:, -1].copy(), dtype=torch.float32)


class OneStep(nn.Module):
    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(1, 24, batch_first=True)
        self.fc = nn.Linear(24, 1)

    def forward(self, x):
        out, _ = self.gru(x)
        return x[:, -1, 0] + self.fc(out[:, -1]).squeeze(1)  # predicts the change


xtr, ytr = windows(train)
xte, yte = windows(test)
model = OneStep()
opt = torch.optim.Adam(model.parameters(), lr=5e-3)
for epoch in range(8):
    model.train()
    for idx in torch.randperm(len(xtr)).split(48):
        loss = nn.functional.smooth_l1_loss(model(xtr[idx]), ytr[idx])
        opt.zero_grad()
        loss.backward()
        opt.step()
    model.eval()
    with torch.no_grad():
        one = nn.functional.mse_loss(model(xte), yte).item()
        buf = xte[:1].clone()
        preds = []
        for _ in range(30):
            p = model(buf)
            preds.append(p.item())
            buf = torch.cat([buf[:, 1:], p.view(1, 1, 1)], 1)
        roll = float(((np.array(preds) - yte[:30].numpy()) ** 2).mean())
    print(f"epoch {epoch} loss {loss.item():.5f} one-step mse {one:.4f} 30-step mse {roll:.4f} (var {series.var():.2f})")
