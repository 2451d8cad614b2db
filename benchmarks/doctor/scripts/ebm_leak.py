#= gradients_not_cleared
#: UvA deep learning tutorial 8 warns of it (requires_grad False while sampling): the Langevin chain's backward also fills the parameters' gradients and zero_grad is called BEFORE the sampling, so the update mixes dozens of foreign gradients; right: zero_grad after sampling or autograd.grad on the input.
import torch
from torch import nn

torch.manual_seed(0)
energy = nn.Sequential(nn.Linear(2, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU(), nn.Linear(64, 1))
optimizer = torch.optim.Adam(energy.parameters(), lr=2e-3, betas=(0., .999))


CENTRES = torch.tensor([[-1.5, -1.5], [1.5, -1.5], [0., 1.8]])


def blobs(n):
    return CENTRES[torch.randint(0, 3, (n,))] + .25 * torch.randn(n, 2)


buffer = torch.rand(4000, 2) * 6 - 3


def langevin(x, k=20, step=.1):
    x = x.clone().requires_grad_(True)
    for _ in range(k):
        if x.grad is not None: x.grad = None
        energy(x).sum().backward()
        with torch.no_grad():
            x -= step * x.grad.clamp(-1, 1)
            x += .06 * torch.randn_like(x)
            x.clamp_(-3.5, 3.5)
    return x.detach()


for it in range(300):
    #+ optimizer.zero_grad()
    idx = torch.randint(0, len(buffer), (256,))
    start = buffer[idx]
    fresh = torch.rand(256) < .05
    start = torch.where(fresh[:, None], torch.rand(256, 2) * 6 - 3, start)
    neg = langevin(start)
    buffer[idx] = neg
    optimizer.zero_grad()  #@
    ep, en = energy(blobs(256)), energy(neg)
    loss = ep.mean() - en.mean() + .02 * (ep ** 2 + en ** 2).mean()
    loss.backward()
    nn.utils.clip_grad_norm_(energy.parameters(), 1.)
    optimizer.step()
    if it % 100 == 0: print(it, 'cd', round((ep.mean() - en.mean()).item(), 4))
with torch.no_grad():
    auc = (energy(blobs(1000)) < energy(torch.rand(1000, 2) * 6 - 3).T).float().mean().item()
s = langevin(torch.rand(800, 2) * 6 - 3, 200)
d = torch.cdist(s, CENTRES).min(1)
print(f'real below uniform in energy {auc:.3f}; long chains within 1 of a centre {(d.values < 1).float().mean():.3f}, per centre {torch.bincount(d.indices, minlength=3).tolist()}')
