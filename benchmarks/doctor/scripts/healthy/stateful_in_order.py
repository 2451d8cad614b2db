"""Truncated back-propagation through time: batches in order, the state is carried on and detached."""
import math

import torch
from torch import nn

torch.manual_seed(0)
T, STREAMS, CHUNK = 1200, 8, 20
t = torch.arange(T + 1).float()
phases = torch.rand(STREAMS, 1) * 2 * math.pi
signal = torch.sin(0.25 * t + phases) * torch.cos(0.031 * t + phases) + 0.05 * torch.randn(STREAMS, T + 1)
signal = signal.T.unsqueeze(2)  # (time, stream, 1)


class Predictor(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.GRU(1, 32)
        self.out = nn.Linear(32, 1)

    def forward(self, x, h=None):
        y, h = self.rnn(x, h)
        return self.out(y), h


net = Predictor()
opt = torch.optim.Adam(net.parameters(), lr=5e-3)
for epoch in range(6):
    h, total, n = None, 0.0, 0
    for start in range(0, 1000, CHUNK):
        pred, h = net(signal[start:start + CHUNK], h)
        h = h.detach()
        loss = nn.functional.mse_loss(pred, signal[start + 1:start + CHUNK + 1])
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        opt.step()
        total, n = total + loss.item(), n + 1
    with torch.no_grad():
        pred, _ = net(signal[1000:T], h)
        val = nn.functional.mse_loss(pred, signal[1001:T + 1]).item()
    print(f'epoch {epoch} train {total / n:.4f} future {val:.4f} copy of the last value {nn.functional.mse_loss(signal[1000:T], signal[1001:T + 1]).item():.4f}')
