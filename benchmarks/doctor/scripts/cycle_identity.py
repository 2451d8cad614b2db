#= formula_wrong
#: https://github.com/LynnHo/CycleGAN-Tensorflow-2/issues/19 - the identity term compares the TRANSLATION of A with A (G_AB(A) near A) instead of G_BA(A) near A, so it fights the translation itself; right: identity on images of the target domain.
import itertools
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)
DIM = 16

def domain_a(n):
    t = torch.linspace(0, 1, DIM)
    return .6 * torch.sin(6.28 * (t + torch.rand(n, 1))) * (.5 + .5 * torch.rand(n, 1)) - .8

def domain_b(n):
    t = torch.linspace(0, 1, DIM)
    return .6 * torch.sin(6.28 * (t + torch.rand(n, 1))) * (.5 + .5 * torch.rand(n, 1)) + .8

class Gen(nn.Module):
    def __init__(self, h=64):
        super().__init__()
        self.f = nn.Sequential(nn.Linear(DIM, h), nn.ReLU(), nn.Linear(h, h), nn.ReLU(), nn.Linear(h, DIM))
    def forward(self, x): return self.f(x)

def critic(): return nn.Sequential(nn.Linear(DIM, 48), nn.LeakyReLU(.2), nn.Linear(48, 48), nn.LeakyReLU(.2), nn.Linear(48, 1))

ab, ba, da, db = Gen(), Gen(), critic(), critic()
g_opt = torch.optim.Adam(itertools.chain(ab.parameters(), ba.parameters()), 1e-3, betas=(.5, .999))
d_opt = torch.optim.Adam(itertools.chain(da.parameters(), db.parameters()), 5e-4, betas=(.5, .999))
LAM_CYC, LAM_ID = 5., 3.
history = []
for it in range(700):
    A, B = domain_a(64), domain_b(64)
    A2B, B2A = ab(A), ba(B)
    real = lambda o: (o - 1).pow(2).mean()
    fake = lambda o: o.pow(2).mean()
    g_loss = real(db(A2B)) + real(da(B2A))
    cycle = F.l1_loss(ba(A2B), A) + F.l1_loss(ab(B2A), B)
    idt = F.l1_loss(ba(A), A) + F.l1_loss(ab(B), B)  #@ idt = F.l1_loss(A2B, A) + F.l1_loss(B2A, B)
    total = g_loss + LAM_CYC * cycle + LAM_ID * idt
    g_opt.zero_grad(); total.backward(); g_opt.step()
    d_loss = real(db(B)) + fake(db(A2B.detach())) + real(da(A)) + fake(da(B2A.detach()))
    d_opt.zero_grad(); d_loss.backward(); d_opt.step()
    history.append((g_loss.item(), cycle.item(), idt.item(), d_loss.item()))
    if it % 175 == 0: print(it, [round(v, 3) for v in history[-1]])
with torch.no_grad():
    A, ref = domain_a(500), domain_b(4000)
    o = ab(A)
    print(f'level of the translation {o.mean():.3f} (domain B {ref.mean():.3f}), distance to the nearest of B {torch.cdist(o, ref).min(1).values.mean():.3f}')
