#= loss_sign
# https://github.com/awslabs/gluonts/pull/1784 - the error sign in the pinball loss is swapped, so the q head learns the 1-q quantile; right: max(q*(y-p), (q-1)*(y-p)).
import numpy as np
import torch
from torch import nn, Tensor

np.random.seed(8); torch.manual_seed(8)
QS = (0.1, 0.5, 0.9)


def series(n=1400):
    t = np.arange(n)
    level = 8 + 3 * np.sin(2 * np.pi * t / 24)
    return (level + np.random.gamma(2.0, 0.25 * level)).astype(np.float32)


class MultiQuantile(nn.Module):
    def __init__(self, context: int):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(context + 2, 64), nn.ReLU(), nn.Linear(64, len(QS)))

    def forward(self, past: Tensor, phase: Tensor) -> Tensor:
        return self.net(torch.cat([past, phase], -1))


def quantile_loss(pred: Tensor, target: Tensor) -> Tensor:
    total = 0.
    for i, q in enumerate(QS):
        err = target - pred[:, i]  #@ err = pred[:, i] - target
        total = total + torch.max(q * err, (q - 1) * err).mean()
    return total / len(QS)


y = series()
mu, sd = y[:1000].mean(), y[:1000].std()
z = (y - mu) / sd
C = 24
win = np.lib.stride_tricks.sliding_window_view(z, C + 1)
ph = np.arange(C, len(z))
phase = np.stack([np.sin(2 * np.pi * ph / 24), np.cos(2 * np.pi * ph / 24)], 1).astype(np.float32)
X, Y, P = torch.tensor(win[:, :C]), torch.tensor(win[:, C]), torch.tensor(phase)
tr, te = slice(0, 976), slice(1000, None)
model = MultiQuantile(C)
opt = torch.optim.RMSprop(model.parameters(), lr=1e-3)
for epoch in range(25):
    for i in torch.randperm(976).split(64):
        loss = quantile_loss(model(X[i], P[i]), Y[i])
        opt.zero_grad(); loss.backward(); opt.step()
with torch.no_grad():
    q = model(X[te], P[te])
cov = [(Y[te] <= q[:, i]).float().mean().item() for i in range(3)]
print("share of observations under the 0.1 / 0.5 / 0.9 forecast:", np.round(cov, 3))
