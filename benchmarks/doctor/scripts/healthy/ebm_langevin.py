# healthy: UvA deep learning tutorial 8 (energy-based models: short-run Langevin sampling with a replay buffer, regularised contrastive divergence) on 2-D points; nothing is wrong.
import random
import numpy as np
import torch, torch.nn as nn

random.seed(0); np.random.seed(0); torch.manual_seed(0)

class Sampler:
    def __init__(self, model, size=512, max_len=4096):
        self.model, self.size, self.max_len = model, size, max_len
        self.examples = [torch.rand(2) * 6 - 3 for _ in range(size)]

    def sample_new(self, steps=25, step_size=.1):
        n_new = np.random.binomial(self.size, 0.05)
        fresh = torch.rand(n_new, 2) * 6 - 3
        old = torch.stack(random.choices(self.examples, k=self.size - n_new))
        x = torch.cat([fresh, old]).detach()
        x = self.generate(x, steps, step_size)
        self.examples = (list(x.unbind(0)) + self.examples)[:self.max_len]
        return x

    def generate(self, x, steps, step_size):
        was = self.model.training
        self.model.eval()
        for p in self.model.parameters():
            p.requires_grad = False
        x.requires_grad_(True)
        for _ in range(steps):
            x.data.add_(torch.randn_like(x) * .05)
            out = -self.model(x)
            out.sum().backward()
            x.data.add_(-step_size * x.grad.clamp(-1, 1))
            x.grad.zero_()
            x.data.clamp_(-4, 4)
        for p in self.model.parameters():
            p.requires_grad = True
        self.model.train(was)
        return x.detach()

def real_batch(n):
    c = torch.tensor([[-1.5, -1.5], [1.5, -1.5], [0., 1.8]])
    k = torch.randint(0, 3, (n,))
    return c[k] + .25 * torch.randn(n, 2)

f = nn.Sequential(nn.Linear(2, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU(), nn.Linear(64, 1))
sampler = Sampler(f)
opt = torch.optim.Adam(f.parameters(), lr=2e-3, betas=(0.0, 0.999))
sched = torch.optim.lr_scheduler.StepLR(opt, 100, gamma=.8)
for it in range(350):
    x = real_batch(512) + torch.randn(512, 2) * .005
    fake = sampler.sample_new()
    real_out, fake_out = f(torch.cat([x, fake])).chunk(2, 0)
    reg = .02 * (real_out ** 2 + fake_out ** 2).mean()
    cd = fake_out.mean() - real_out.mean()
    loss = cd + reg
    opt.zero_grad(); loss.backward()
    nn.utils.clip_grad_norm_(f.parameters(), .5)
    opt.step(); sched.step()
    if it % 100 == 0: print(it, 'cd', round(cd.item(), 4), 'reg', round(reg.item(), 4))

with torch.no_grad():
    r, u = f(real_batch(1000)), f(torch.rand(1000, 2) * 6 - 3)
auc = (r > u.T).float().mean().item()
c = torch.tensor([[-1.5, -1.5], [1.5, -1.5], [0., 1.8]])
x = sampler.generate(torch.rand(600, 2) * 6 - 3, 200, .1)
d = torch.cdist(x, c).min(1)
print(f'score of real above score of uniform: {auc:.3f}; long chains within 1 of a mode {(d.values < 1).float().mean():.3f}, modes {torch.bincount(d.indices, minlength=3).tolist()}')
