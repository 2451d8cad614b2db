#= data_changed_in_place
# https://github.com/unit8co/darts/issues/2159 - reversible instance norm writes into the caller's tensor (no clone), so in the autoregressive rollout the history is normalised again and again; right: clone / out of place.
import numpy as np
import torch
from torch import nn

torch.manual_seed(8); np.random.seed(8)
IN, OUT, STEPS = 24, 4, 6


class RINorm(nn.Module):
    def forward(self, x):
        self.mean, self.std = x.mean(1, keepdim=True), x.std(1, keepdim=True) + 1e-5
        x = (x - self.mean) / self.std  #@ x.sub_(self.mean).div_(self.std)
        return x

    def inverse(self, y):
        return y * self.std + self.mean


class Block(nn.Module):
    def __init__(self, width=48):
        super().__init__()
        self.rin = RINorm()
        self.fc = nn.Sequential(nn.Linear(IN, width), nn.ReLU(), nn.Linear(width, OUT))

    def forward(self, past):
        return self.rin.inverse(self.fc(self.rin(past)))


class Forecaster:
    def __init__(self):
        self.module = Block()

    def fit(self, series, epochs=30):
        idx = np.arange(len(series) - IN - OUT)
        opt = torch.optim.Adam(self.module.parameters(), lr=3e-3)
        for _ in range(epochs):
            for b in np.array_split(np.random.permutation(idx), 8):
                past = torch.stack([series[i:i + IN].clone() for i in b])
                fut = torch.stack([series[i + IN:i + IN + OUT] for i in b])
                loss = nn.functional.mse_loss(self.module(past), fut)
                opt.zero_grad(); loss.backward(); opt.step()
        return self

    @torch.no_grad()
    def predict(self, history):
        buf, out = history.clone()[None], []
        for _ in range(STEPS):
            y = self.module(buf[:, -IN:])
            out.append(y); buf = torch.cat([buf, y], 1)
        return torch.cat(out, 1)[0]


t = torch.arange(500, dtype=torch.float32)
s = 30 + .03 * t + 5 * torch.sin(2 * np.pi * t / 12) + torch.randn(500) * .2
f = Forecaster().fit(s[:440])
err = [(f.predict(s[k - IN:k]) - s[k:k + OUT * STEPS]).abs().mean().item() for k in range(440, 475, 5)]
print(f"rollout MAE over {OUT * STEPS} steps: {np.mean(err):.3f}")
