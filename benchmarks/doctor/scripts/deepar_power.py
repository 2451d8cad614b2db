#= target_shift
#: https://github.com/sktime/pytorch-forecasting/issues/182 the scaled target of the predicted step itself is fed to the recurrent net (no lag), so training and the reported score see the answer; a right diagnosis says the target input must be lagged by one step.
"""Electric load, recurrent Gaussian forecaster; score = rolling one-step negative log-likelihood and free-running MAE."""
import math, numpy as np, torch, torch.nn as nn
torch.manual_seed(0); rng = np.random.default_rng(0)
H, T = 40, 200; t = np.arange(T)
x = 1 + .6 * np.sin(2 * np.pi * t / 24 + rng.uniform(0, 6.28, (H, 1))) + .25 * np.cumsum(rng.normal(size=(H, T)) * .12, 1)
x += .1 * rng.normal(size=(H, T)); x *= rng.lognormal(0, .8, (H, 1))
hour = np.stack([np.sin(2 * np.pi * t / 24), np.cos(2 * np.pi * t / 24)], 1)
Y, HR = torch.tensor(x, dtype=torch.float32), torch.tensor(hour, dtype=torch.float32)
ENC, DEC = 48, 12

class Net(nn.Module):
    def __init__(self, h=40):
        super().__init__(); self.rnn = nn.LSTM(3, h, batch_first=True); self.loc, self.scale = nn.Linear(h, 1), nn.Linear(h, 1)
    def forward(self, target, cov, state=None):
        o, state = self.rnn(torch.cat([target.unsqueeze(-1), cov], -1), state)
        return self.loc(o).squeeze(-1), nn.functional.softplus(self.scale(o)).squeeze(-1) + 1e-3, state

def window(i, s):
    idx = s[:, None] + torch.arange(ENC + DEC + 1); y = Y[i[:, None], idx]
    m, sd = y[:, :ENC].mean(1, keepdim=True), y[:, :ENC].std(1, keepdim=True) + 1e-3
    return (y - m) / sd, HR[idx]

def one_step(net, y, c):
    target_in = y[:, :-1]  #@ target_in = y[:, 1:]
    mu, sc, _ = net(target_in, c[:, 1:])
    return 0.5 * ((y[:, 1:] - mu) / sc) ** 2 + sc.log() + 0.5 * math.log(2 * math.pi)

net = Net(); opt = torch.optim.Adam(net.parameters(), lr=8e-3)
for it in range(200):
    y, c = window(torch.randint(H, (40,)), torch.randint(0, T - 2 * DEC - ENC - 1, (40,)))
    loss = one_step(net, y, c).mean(); opt.zero_grad(); loss.backward(); nn.utils.clip_grad_norm_(net.parameters(), 1.0); opt.step()
    if it % 50 == 0: print(f"{it:4d} nll {loss.item():.3f}")
with torch.no_grad():
    y, c = window(torch.arange(H), torch.full((H,), T - DEC - ENC - 1))
    nll = one_step(net, y, c)[:, -DEC:].mean().item()
    mu, sc, st = net(y[:, :ENC], c[:, 1:ENC + 1]); last, out = mu[:, -1:], [mu[:, -1:]]
    for k in range(1, DEC): last, _, st = net(last, c[:, ENC + k:ENC + k + 1], st); out.append(last)
    mae = (torch.cat(out, 1) - y[:, ENC:ENC + DEC]).abs().mean().item()
print(f"one-step nll {nll:.3f} | free-running MAE (standardised) {mae:.3f}")
