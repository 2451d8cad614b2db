#= evaluation_wrong
# https://github.com/yanivnik/sinfusion-code/issues/31 (training with the cosine schedule, sampling with the linear one): the model is asked for noise levels that do not fit the time step; a right diagnosis says use one schedule for both.
import math
import torch
import torch.nn as nn
from sklearn.datasets import make_moons

torch.manual_seed(0)
T = 60


def get_betas(name):
    if name == "linear":
        return torch.linspace(1e-4, 0.02, T)
    s = torch.arange(T + 1) / T
    f = torch.cos((s + 0.008) / 1.008 * math.pi / 2) ** 2
    return torch.clamp(1 - f[1:] / f[:-1], max=0.95)


class Diffusion:
    def __init__(self, model, noise_schedule):
        self.model = model
        self.betas = get_betas(noise_schedule)
        self.alphas = 1 - self.betas
        self.alphas_hat = torch.cumprod(self.alphas, 0)

    def loss(self, x0):
        t = torch.randint(0, T, (len(x0),))
        ah = self.alphas_hat[t, None]
        noise = torch.randn_like(x0)
        return nn.functional.mse_loss(self.model(ah.sqrt() * x0 + (1 - ah).sqrt() * noise, t), noise)

    @torch.no_grad()
    def sample(self, n):
        x = torch.randn(n, 2)
        for t in reversed(range(T)):
            eps = self.model(x, torch.full((n,), t))
            a, ah, b = self.alphas[t], self.alphas_hat[t], self.betas[t]
            x = (x - b / (1 - ah).sqrt() * eps) / a.sqrt()
            if t > 0:
                x = x + b.sqrt() * torch.randn_like(x)
        return x


class Denoiser(nn.Module):
    def __init__(self, h=128):
        super().__init__()
        self.register_buffer("freq", torch.exp(torch.arange(h // 2) * (-math.log(200.0) / (h // 2))))
        self.temb = nn.Linear(h, h)
        self.inp = nn.Linear(2, h)
        self.net = nn.Sequential(nn.SiLU(), nn.Linear(h, h), nn.SiLU(), nn.Linear(h, h), nn.SiLU(), nn.Linear(h, 2))

    def forward(self, x, t):
        ang = t[:, None] * self.freq
        return self.net(self.inp(x) + self.temb(torch.cat([ang.sin(), ang.cos()], 1)))


def train_diffusion(steps=3500):
    diffusion = Diffusion(Denoiser(), noise_schedule="cosine")
    opt = torch.optim.Adam(diffusion.model.parameters(), lr=3e-3)
    sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, steps)
    for i in range(1, steps + 1):
        loss = diffusion.loss(data[torch.randint(0, len(data), (256,))])
        opt.zero_grad()
        loss.backward()
        opt.step()
        sched.step()
        if i % 500 == 0:
            print("step", i, "loss", round(loss.item(), 4))
    return diffusion.model


pts, _ = make_moons(4000, noise=0.04, random_state=0)
data = torch.tensor(pts, dtype=torch.float32)
data = (data - data.mean(0)) / data.std(0)
model = train_diffusion()
sampler = Diffusion(model, noise_schedule="cosine")  #@ sampler = Diffusion(model, noise_schedule="linear")
gen = sampler.sample(1000)
near = torch.cdist(gen, data).min(1).values
print("distance of generated points to the data: mean %.4f  p95 %.4f" % (near.mean().item(), near.quantile(0.95).item()))
print("std of generated points", gen.std(0).tolist())
