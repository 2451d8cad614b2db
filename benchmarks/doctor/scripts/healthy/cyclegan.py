# healthy: https://github.com/eriklindernoren/PyTorch-GAN cyclegan: two generators in one optimizer, image pools, LSGAN, cycle and identity losses, linear decay; nothing is wrong.
import itertools, random
import torch, torch.nn as nn
from sklearn.datasets import load_digits

random.seed(0); torch.manual_seed(0)
d = load_digits()
x = torch.tensor(d.data, dtype=torch.float32) / 8 - 1
perm = torch.randperm(len(x))
A, B = x[perm[:800]], -x[perm[800:1600]]          # B: other digits, inverted
Av = x[perm[1600:]]

class ReplayBuffer:
    def __init__(self, max_size=200): self.max_size, self.data = max_size, []
    def push_and_pop(self, data):
        out = []
        for e in data.detach():
            e = e.unsqueeze(0)
            if len(self.data) < self.max_size:
                self.data.append(e); out.append(e)
            elif random.uniform(0, 1) > .5:
                i = random.randint(0, self.max_size - 1)
                out.append(self.data[i].clone()); self.data[i] = e
            else: out.append(e)
        return torch.cat(out)

class LambdaLR:
    def __init__(self, n, start): self.n, self.start = n, start
    def step(self, e): return 1. - max(0, e - self.start) / (self.n - self.start)

gen = lambda: nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64), nn.Tanh())
dis = lambda: nn.Sequential(nn.Linear(64, 64), nn.LeakyReLU(.2), nn.Linear(64, 32), nn.LeakyReLU(.2), nn.Linear(32, 1))
G_AB, G_BA, D_A, D_B = gen(), gen(), dis(), dis()
gan, cyc, idt = nn.MSELoss(), nn.L1Loss(), nn.L1Loss()
opt_G = torch.optim.Adam(itertools.chain(G_AB.parameters(), G_BA.parameters()), lr=1e-3, betas=(.5, .999))
opt_A = torch.optim.Adam(D_A.parameters(), lr=5e-4, betas=(.5, .999))
opt_B = torch.optim.Adam(D_B.parameters(), lr=5e-4, betas=(.5, .999))
EP = 40
scheds = [torch.optim.lr_scheduler.LambdaLR(o, lr_lambda=LambdaLR(EP, EP // 2).step) for o in (opt_G, opt_A, opt_B)]
bufA, bufB = ReplayBuffer(), ReplayBuffer()
for epoch in range(EP):
    for ia, ib in zip(torch.randperm(800).split(50), torch.randperm(800).split(50)):
        ra, rb = A[ia], B[ib]
        valid, fake = torch.ones(50, 1), torch.zeros(50, 1)
        opt_G.zero_grad()
        l_id = (idt(G_BA(ra), ra) + idt(G_AB(rb), rb)) / 2
        fb, fa = G_AB(ra), G_BA(rb)
        l_gan = (gan(D_B(fb), valid) + gan(D_A(fa), valid)) / 2
        l_cyc = (cyc(G_BA(fb), ra) + cyc(G_AB(fa), rb)) / 2
        loss_G = l_gan + 3. * l_cyc + 1. * l_id
        loss_G.backward(); opt_G.step()
        opt_A.zero_grad()
        la = (gan(D_A(ra), valid) + gan(D_A(bufA.push_and_pop(fa)), fake)) / 2
        la.backward(); opt_A.step()
        opt_B.zero_grad()
        lb = (gan(D_B(rb), valid) + gan(D_B(bufB.push_and_pop(fb)), fake)) / 2
        lb.backward(); opt_B.step()
    for s in scheds: s.step()
    if epoch % 10 == 9: print(f'epoch {epoch + 1} G {loss_G.item():.3f} cycle {l_cyc.item():.3f} D {(la + lb).item() / 2:.3f}')
with torch.no_grad():
    f = G_AB(Av)
    print(f'new digits: nearest picture of B at {torch.cdist(f, B).min(1).values.mean():.2f} (untranslated {torch.cdist(Av, B).min(1).values.mean():.2f}), back-translation error {cyc(G_BA(f), Av).item():.3f}')
