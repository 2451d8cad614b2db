#= wrong_loss_family
# (own case; docs of torch.nn.PoissonNLLLoss) the network ends in Softplus and gives the rate, but PoissonNLLLoss is left at log_input=True and takes it for the log rate; right: log_input=False.
from types import SimpleNamespace as NS
import numpy as np
import torch
from torch import nn

cfg = NS(seed=23, n=1600, hidden=32, lr=4e-3, epochs=20, batch=64)
rng = np.random.default_rng(cfg.seed)
torch.manual_seed(cfg.seed)

hour = rng.integers(0, 24, cfg.n)
temp = rng.normal(size=cfg.n)
work = rng.random(cfg.n) < .7
rate = 2 + 14 * np.exp(-((hour - 17) / 3.0) ** 2) * work + 5 * np.exp(-((hour - 13) / 4.0) ** 2) * ~work + 2 * np.maximum(temp, 0)
count = torch.tensor(rng.poisson(rate), dtype=torch.float32)
feats = torch.tensor(np.column_stack([np.sin(2 * np.pi * hour / 24), np.cos(2 * np.pi * hour / 24), np.sin(4 * np.pi * hour / 24), np.cos(4 * np.pi * hour / 24), temp, work]), dtype=torch.float32)

model = nn.Sequential(nn.Linear(6, cfg.hidden), nn.ReLU(), nn.Linear(cfg.hidden, 1), nn.Softplus(), nn.Flatten(0))
nll = nn.PoissonNLLLoss(log_input=False)  #@ nll = nn.PoissonNLLLoss()
opt = torch.optim.Adam(model.parameters(), lr=cfg.lr)
cut = int(.75 * cfg.n)
for epoch in range(cfg.epochs):
    for idx in torch.randperm(cut).split(cfg.batch):
        opt.zero_grad()
        loss = nll(model(feats[idx]), count[idx])
        loss.backward()
        opt.step()
with torch.no_grad():
    lam = model(feats[cut:])
print('mean prediction %.2f, mean count %.2f, MAE against the true rate %.2f' % (lam.mean(), count[cut:].mean(), (lam - torch.tensor(rate[cut:])).abs().mean()))
