# healthy: https://github.com/pfnet-research/sngan_projection idea: spectral norm, hinge losses, projection discriminator, class-conditional generator judged by a classifier trained on real digits; nothing is wrong.
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils.parametrizations import spectral_norm as sn
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

torch.manual_seed(12)
X, Y = load_digits(return_X_y=True)
judge = LogisticRegression(max_iter=500, C=.1).fit(X / 16, Y)
x, y = torch.tensor(X, dtype=torch.float32) / 8 - 1, torch.tensor(Y)

class G(nn.Module):
    def __init__(self, z=24, w=128):
        super().__init__()
        self.l1, self.l2, self.out = nn.Linear(z, w), nn.Linear(w, w), nn.Linear(w, 64)
        self.bn = nn.ModuleList([nn.BatchNorm1d(w, affine=False) for _ in range(2)])
        self.gain = nn.ModuleList([nn.Embedding(10, w) for _ in range(2)])
        self.bias = nn.ModuleList([nn.Embedding(10, w) for _ in range(2)])
        for g, b in zip(self.gain, self.bias):
            nn.init.normal_(g.weight, 1., .1); nn.init.normal_(b.weight, 0., .1)
        self.z = z
    def cbn(self, i, h, c): return self.gain[i](c) * self.bn[i](h) + self.bias[i](c)
    def forward(self, z, c):
        h = F.relu(self.cbn(0, self.l1(z), c))
        h = F.relu(self.cbn(1, self.l2(h), c))
        return torch.tanh(self.out(h))

class D(nn.Module):
    def __init__(self, w=128):
        super().__init__()
        self.body = nn.Sequential(sn(nn.Linear(64, w)), nn.LeakyReLU(.1), sn(nn.Linear(w, w)), nn.LeakyReLU(.1))
        self.lin, self.emb = sn(nn.Linear(w, 1)), sn(nn.Embedding(10, w))
    def forward(self, x, c):
        h = self.body(x)
        return self.lin(h).squeeze(1) + (self.emb(c) * h).sum(1)

g, d = G(), D()
og = torch.optim.Adam(g.parameters(), 5e-4, betas=(0., .9))
od = torch.optim.Adam(d.parameters(), 1e-3, betas=(0., .9))
for it in range(900):
    for _ in range(2):
        i = torch.randint(0, len(x), (64,))
        c = torch.randint(0, 10, (64,))
        with torch.no_grad(): fake = g(torch.randn(64, g.z), c)
        ld = F.relu(1 - d(x[i], y[i])).mean() + F.relu(1 + d(fake, c)).mean()
        od.zero_grad(); ld.backward(); od.step()
    c = torch.randint(0, 10, (64,))
    lg = -d(g(torch.randn(64, g.z), c), c).mean()
    og.zero_grad(); lg.backward(); og.step()
    if it % 300 == 0: print(it, round(ld.item(), 3), round(lg.item(), 3))
g.eval()
with torch.no_grad():
    c = torch.arange(10).repeat(50); s = g(torch.randn(500, g.z), c)
acc = (judge.predict(((s + 1) / 2).numpy()) == c.numpy()).mean()
print(f'samples carry the asked class: {acc:.3f}; std per pixel within a class {torch.stack([s[c == k].std(0).mean() for k in range(10)]).mean():.3f} (real {torch.stack([x[y == k].std(0).mean() for k in range(10)]).mean():.3f})')
