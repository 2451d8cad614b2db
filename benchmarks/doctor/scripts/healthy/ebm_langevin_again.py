"""Energy-based model with short-run Langevin sampling and a replay buffer; the contrastive loss hovers around zero all the time."""
import torch
import torch.nn as nn

torch.manual_seed(151)


def grid_data(n):
    c = torch.tensor([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])
    return c[torch.randint(0, 4, (n,))] + 0.2 * torch.randn(n, 2)


class Energy(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU(), nn.Linear(64, 1))

    def forward(self, x):
        return self.net(x).squeeze(-1) + 0.05 * x.square().sum(-1)


class Sampler:
    def __init__(self, model, size=1000):
        self.model, self.buffer = model, torch.rand(size, 2) * 4 - 2

    def langevin(self, x, steps=15, step_size=0.03):
        for p in self.model.parameters():
            p.requires_grad_(False)
        x = x.clone()
        for _ in range(steps):
            x.requires_grad_(True)
            g, = torch.autograd.grad(self.model(x).sum(), x)
            x = (x - step_size * g.clamp(-5, 5) + (2 * step_size) ** 0.5 * torch.randn_like(x) * 0.7).detach().clamp(-3, 3)
        for p in self.model.parameters():
            p.requires_grad_(True)
        return x

    def sample(self, n):
        idx = torch.randint(0, len(self.buffer), (n,))
        x = self.buffer[idx]
        fresh = torch.rand(n) < 0.05
        x[fresh] = torch.rand(int(fresh.sum()), 2) * 4 - 2
        x = self.langevin(x)
        self.buffer[idx] = x
        return x


def auc_vs_uniform(model):
    with torch.no_grad():
        e_in, e_out = model(grid_data(500)), model(torch.rand(500, 2) * 4 - 2)
    return (e_in[:, None] < e_out[None]).float().mean().item()


model = Energy()
sampler = Sampler(model)
opt = torch.optim.Adam(model.parameters(), lr=2e-3, betas=(0.0, 0.999))
data = grid_data(4000)
print("before: data below uniform noise in energy %.3f" % auc_vs_uniform(model))
for it in range(500):
    real = data[torch.randint(0, len(data), (128,))]
    fake = sampler.sample(128)
    e_real, e_fake = model(real + 0.02 * torch.randn_like(real)), model(fake)
    cdiv = e_real.mean() - e_fake.mean()
    reg = 0.02 * (e_real.square() + e_fake.square()).mean()
    opt.zero_grad()
    (cdiv + reg).backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    opt.step()
    if it % 100 == 99:
        print(f"it {it + 1} contrastive {cdiv.item():+.3f} reg {reg.item():.3f} AUC {auc_vs_uniform(model):.3f}")
