#= targets_shuffled
#: the loss compares with freshly drawn noise instead of the noise that was added (DiffSynth issue 1175)
"""DDPM on 2-D latents shaped as a ring of four blobs, trainer class with prepared inputs."""
import math

import torch
import torch.nn as nn

torch.manual_seed(2)
T = 60


def dataset(n):
    k = torch.randint(0, 4, (n,)).float() * math.pi / 2
    return torch.stack([k.cos(), k.sin()], 1) * 1.5 + 0.15 * torch.randn(n, 2)


class Scheduler:
    def __init__(self):
        self.beta = torch.linspace(1e-3, 0.2, T)
        self.alpha = 1 - self.beta
        self.abar = self.alpha.cumprod(0)

    def add_noise(self, x, noise, t):
        a = self.abar[t][:, None]
        return a.sqrt() * x + (1 - a).sqrt() * noise

    @torch.no_grad()
    def sample(self, net, n):
        x = torch.randn(n, 2)
        for i in reversed(range(T)):
            eps = net(x, torch.full((n,), i))
            x = (x - self.beta[i] / (1 - self.abar[i]).sqrt() * eps) / self.alpha[i].sqrt()
            if i > 0:
                x = x + self.beta[i].sqrt() * torch.randn_like(x)
        return x


class Denoiser(nn.Module):
    def __init__(self, d=96):
        super().__init__()
        self.time = nn.Sequential(nn.Linear(5, d), nn.SiLU(), nn.Linear(d, d))
        self.inp, self.mid, self.mid2, self.out = nn.Linear(2, d), nn.Linear(d, d), nn.Linear(d, d), nn.Linear(d, 2)
        self.act = nn.SiLU()

    def forward(self, x, t):
        u = t[:, None].float() / T
        u = torch.cat([u, (3 * u).sin(), (3 * u).cos(), (9 * u).sin(), (9 * u).cos()], 1)
        h = self.act(self.inp(x) + self.time(u))
        h = self.act(self.mid(h)) + h
        h = self.act(self.mid2(h)) + h
        return self.out(h)


class TrainingModule:
    def __init__(self):
        self.net, self.scheduler = Denoiser(), Scheduler()

    def forward_preprocess(self, latents):
        return {"input_latents": latents, "noise": torch.randn_like(latents)}

    def training_loss(self, **inputs):
        t = torch.randint(0, T, (len(inputs["input_latents"]),))
        noisy = self.scheduler.add_noise(inputs["input_latents"], inputs["noise"], t)
        noise = inputs["noise"]  #@ noise = torch.randn_like(inputs["input_latents"])
        pred = self.net(noisy, t)
        return nn.functional.mse_loss(pred, noise)


module = TrainingModule()
optimizer = torch.optim.AdamW(module.net.parameters(), lr=4e-3)
sched = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 1600)
data = dataset(4000)
for step in range(1600):
    inputs = module.forward_preprocess(data[torch.randint(0, 4000, (200,))])
    loss = module.training_loss(**inputs)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    sched.step()
    if step % 200 == 0:
        print(step, "loss", round(loss.item(), 4))

x = module.scheduler.sample(module.net, 800)
modes = torch.stack([torch.tensor([math.cos(k * math.pi / 2), math.sin(k * math.pi / 2)]) * 1.5 for k in range(4)])
d, which = torch.cdist(x, modes).min(1)
print(f"samples near a mode {(d < 0.45).float().mean():.3f}, modes hit {len(which[d < 0.45].unique())}")
