#= term_without_gradient
#: https://github.com/wangle53/CSA-CDGAN/issues/5 - pred_fake is detached in the generator's loss, so the adversarial term trains nothing and only the pixel loss is left; right: no detach in the generator's step.
import argparse
import torch
import torch.nn as nn
import torch.nn.functional as F

ap = argparse.ArgumentParser()
ap.add_argument('--w_adv', type=float, default=1.)
ap.add_argument('--w_con', type=float, default=.3)
ap.add_argument('--steps', type=int, default=600)
a = ap.parse_args([])
torch.manual_seed(2)

# inpainting of the second half of a signal: two equally likely continuations
def batch(n):
    t = torch.linspace(0, 3.14, 24)
    ph = torch.rand(n, 1) * .6
    sign = torch.randint(0, 2, (n, 1)).float() * 2 - 1
    return .5 * torch.sin(t[:12] + ph), sign * (.6 + .3 * torch.sin(2 * t[12:] + ph))

class G(nn.Module):
    def __init__(self):
        super().__init__()
        self.f = nn.Sequential(nn.Linear(12 + 4, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 12), nn.Tanh())
    def forward(self, c): return self.f(torch.cat([c, torch.randn(len(c), 4)], 1))

class D(nn.Module):
    def __init__(self):
        super().__init__()
        self.f = nn.Sequential(nn.Linear(24, 64), nn.LeakyReLU(.2), nn.Linear(64, 64), nn.LeakyReLU(.2), nn.Linear(64, 1))
    def forward(self, c, y): return self.f(torch.cat([c, y], 1))

netg, netd = G(), D()
og = torch.optim.Adam(netg.parameters(), 1e-3, betas=(.5, .99))
od = torch.optim.Adam(netd.parameters(), 1e-3, betas=(.5, .99))
bce = F.binary_cross_entropy_with_logits
for i in range(a.steps):
    c, y = batch(64)
    fake = netg(c)
    pr, pf = netd(c, y), netd(c, fake.detach())
    err_d = bce(pr, torch.ones_like(pr)) + bce(pf, torch.zeros_like(pf))
    od.zero_grad(); err_d.backward(); od.step()
    pred_fake = netd(c, fake)  #@ pred_fake = netd(c, fake).detach()
    err_adv = bce(pred_fake, torch.ones_like(pred_fake))
    err_con = F.l1_loss(fake.abs(), y.abs())
    err_g = a.w_adv * err_adv + a.w_con * err_con
    og.zero_grad(); err_g.backward(); og.step()
    if i % 150 == 0: print(i, 'D', round(err_d.item(), 3), 'adv', round(err_adv.item(), 3), 'con', round(err_con.item(), 3))
with torch.no_grad():
    c, y = batch(2000)
    f = netg(c)
    neg = -y
    e = torch.minimum((f - y).abs().mean(1), (f - neg).abs().mean(1))
print(f'mean distance to the nearer true continuation {e.mean().item():.4f}, 90% quantile {e.quantile(.9).item():.4f}')
