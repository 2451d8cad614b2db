"""Mean and variance network, Gaussian negative log-likelihood (may be negative), warm start on the mean."""
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(88)


def noisy_sine(n):
    x = torch.rand(n, 1) * 6 - 3
    std = 0.05 + 0.15 * (x > 0).float() * x.abs()
    return x, torch.sin(2 * x) + std * torch.randn_like(x), std


class MeanVar(nn.Module):
    def __init__(self, h=64):
        super().__init__()
        self.mean = nn.Sequential(nn.Linear(1, h), nn.Tanh(), nn.Linear(h, h), nn.Tanh(), nn.Linear(h, 1))
        self.logvar = nn.Sequential(nn.Linear(1, h), nn.Tanh(), nn.Linear(h, 1))

    def forward(self, x):
        return self.mean(x), self.logvar(x).clamp(-8, 4)


x, y, _ = noisy_sine(1500)
xt, yt, st = noisy_sine(600)
net = MeanVar()
opt = torch.optim.Adam([
    {"params": net.mean.parameters(), "lr": 3e-3},
    {"params": net.logvar.parameters(), "lr": 3e-3},
])
WARM = 15
for epoch in range(60):
    for i in torch.randperm(1500).split(50):
        mu, lv = net(x[i])
        if epoch < WARM:
            loss = F.mse_loss(mu, y[i])
        else:
            loss = F.gaussian_nll_loss(mu, y[i], lv.exp())
        opt.zero_grad()
        loss.backward()
        opt.step()
    if epoch % 10 == 9:
        with torch.no_grad():
            mu, lv = net(xt)
            nll = F.gaussian_nll_loss(mu, yt, lv.exp()).item()
            corr = torch.corrcoef(torch.stack([(lv / 2).exp().squeeze(), st.squeeze()]))[0, 1].item()
            inside = ((yt - mu).abs() < 2 * (lv / 2).exp()).float().mean().item()
        print(f"epoch {epoch + 1} phase {'mse' if epoch < WARM else 'nll'} test nll {nll:.3f} std corr {corr:.3f} within 2 sigma {inside:.3f}")
