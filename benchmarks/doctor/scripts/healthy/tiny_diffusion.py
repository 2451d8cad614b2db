import torch
import torch.nn as nn

torch.manual_seed(0)
T = 50
beta = torch.linspace(1e-3, 0.2, T)
alpha_bar = torch.cumprod(1 - beta, 0)


def real(n):
    a = torch.rand(n) * 6.2832
    return torch.stack([a.cos(), a.sin()], 1) * (1.2 + 0.05 * torch.randn(n, 1))


class Eps(nn.Module):
    def __init__(self):
        super().__init__()
        self.t = nn.Embedding(T, 64)
        self.a = nn.Linear(2, 64)
        self.b = nn.Sequential(nn.SiLU(), nn.Linear(64, 96), nn.SiLU(), nn.Linear(96, 96), nn.SiLU(), nn.Linear(96, 2))

    def forward(self, x, t):
        return self.b(self.a(x) + self.t(t))


net = Eps()
opt = torch.optim.Adam(net.parameters(), lr=2e-3)
for step in range(1, 1501):
    x = real(256)
    t = torch.randint(0, T, (256,))
    e = torch.randn_like(x)
    ab = alpha_bar[t, None]
    loss = ((net(ab.sqrt() * x + (1 - ab).sqrt() * e, t) - e) ** 2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 300 == 0:
        with torch.no_grad():
            s = torch.randn(1000, 2)
            for k in reversed(range(T)):
                e = net(s, torch.full((1000,), k))
                s = (s - beta[k] / (1 - alpha_bar[k]).sqrt() * e) / (1 - beta[k]).sqrt()
                if k:
                    s = s + beta[k].sqrt() * torch.randn_like(s)
            r = s.norm(dim=1)
        print(f"step {step} loss {loss.item():.4f} radius of samples {r.mean():.3f} +- {r.std():.3f} (real 1.2 +- 0.06)")
