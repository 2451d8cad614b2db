"""Mixture density network for an inverse problem with several answers; the negative log likelihood goes below zero."""
import math

import numpy as np
import torch
import torch.nn as nn

torch.manual_seed(141)
np.random.seed(141)


def generate(n):
    y = np.random.uniform(0, 1, n)
    x = y + 0.3 * np.sin(2 * math.pi * y) + np.random.normal(0, 0.03, n)
    return torch.tensor(x, dtype=torch.float32)[:, None], torch.tensor(y, dtype=torch.float32)[:, None]


class MDN(nn.Module):
    def __init__(self, hidden=48, n_gaussians=5):
        super().__init__()
        self.z_h = nn.Sequential(nn.Linear(1, hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh())
        self.z_pi, self.z_mu, self.z_sigma = (nn.Linear(hidden, n_gaussians) for _ in range(3))
        self.z_mu.bias.data = torch.linspace(0, 1, n_gaussians)

    def forward(self, x):
        h = self.z_h(x)
        return self.z_pi(h).log_softmax(-1), self.z_mu(h), self.z_sigma(h).clamp(-5, 2).exp()


def mdn_loss(log_pi, mu, sigma, y):
    comp = -0.5 * ((y - mu) / sigma) ** 2 - sigma.log() - 0.5 * math.log(2 * math.pi)
    return -torch.logsumexp(log_pi + comp, dim=1).mean()


x, y = generate(3000)
xv, yv = generate(600)
net = MDN()
opt = torch.optim.Adam(net.parameters(), lr=5e-3)
sched = torch.optim.lr_scheduler.ExponentialLR(opt, 0.97)
for epoch in range(25):
    for b in torch.randperm(len(x)).split(100):
        loss = mdn_loss(*net(x[b]), y[b])
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 2.0)
        opt.step()
    sched.step()
    if epoch % 5 == 4:
        with torch.no_grad():
            log_pi, mu, sigma = net(xv)
            v = mdn_loss(log_pi, mu, sigma, yv).item()
            k = torch.distributions.Categorical(logits=log_pi).sample()[:, None]
            s = mu.gather(1, k) + sigma.gather(1, k) * torch.randn(len(xv), 1)
            back = (s + 0.3 * torch.sin(2 * math.pi * s) - xv).abs().mean().item()
        print(f"epoch {epoch + 1} nll {loss.item():.3f} validation nll {v:.3f} forward error of samples {back:.3f}")
