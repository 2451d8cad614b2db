# healthy: https://github.com/kamenbliznashki/normalizing_flows (MADE/MAF): autoregressive masks as buffers, orders reversed between layers, held-out likelihood on ten columns of the breast cancer table; nothing is wrong.
import math, copy
import torch, torch.nn as nn, torch.nn.functional as F
from sklearn.datasets import load_breast_cancer

class MaskedLinear(nn.Linear):
    def __init__(self, i, o, mask):
        super().__init__(i, o)
        self.register_buffer('mask', mask)
    def forward(self, x): return F.linear(x, self.weight * self.mask, self.bias)

class MADE(nn.Module):
    def __init__(self, n, h, reverse):
        super().__init__()
        deg = torch.arange(n).flip(0) if reverse else torch.arange(n)
        hd = torch.arange(h) % (n - 1)
        m1 = (hd[:, None] >= deg[None]).float()
        m2 = (hd[:, None] >= hd[None]).float()
        mo = (deg[:, None] > hd[None]).float().repeat(2, 1)
        self.net = nn.Sequential(MaskedLinear(n, h, m1), nn.ReLU(), MaskedLinear(h, h, m2), nn.ReLU(), MaskedLinear(h, 2 * n, mo))
        nn.init.normal_(self.net[-1].weight, 0, 1e-2); nn.init.zeros_(self.net[-1].bias)
    def forward(self, x):
        m, loga = self.net(x).chunk(2, 1)
        loga = 2 * torch.tanh(loga / 2)
        return (x - m) * torch.exp(-loga), -loga.sum(1)

class MAF(nn.Module):
    def __init__(self, n, h=64, k=4):
        super().__init__()
        self.flows = nn.ModuleList([MADE(n, h, i % 2 == 1) for i in range(k)])
    def log_prob(self, x):
        ld = 0
        for f in self.flows:
            x, l = f(x); ld = ld + l
        return ld - .5 * (x ** 2).sum(1) - .5 * x.size(1) * math.log(2 * math.pi)

torch.manual_seed(1)
X = torch.tensor(load_breast_cancer().data[:, :10], dtype=torch.float32).clamp_min(1e-4).log()
X = X[torch.randperm(len(X))]
tr, va, te = X[:380], X[380:470], X[470:]
mu, sd = tr.mean(0), tr.std(0)
tr, va, te = (tr - mu) / sd, ((va - mu) / sd), (te - mu) / sd
model = MAF(10)
opt = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-4)
best, state, bad = 1e9, None, 0
for ep in range(90):
    model.train()
    for b in torch.randperm(len(tr)).split(38):
        loss = -model.log_prob(tr[b] + .05 * torch.randn(len(b), 10)).mean()
        opt.zero_grad(); loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.); opt.step()
    model.eval()
    with torch.no_grad(): v = -model.log_prob(va).mean().item()
    if v < best: best, state, bad = v, copy.deepcopy(model.state_dict()), 0
    else:
        bad += 1
        if bad >= 15: break
    if ep % 15 == 0: print(ep, round(loss.item(), 3), round(v, 3))
model.load_state_dict(state)
cov = torch.distributions.MultivariateNormal(tr.mean(0), torch.cov(tr.T) + 1e-4 * torch.eye(10))
with torch.no_grad():
    print(f'stopped after {ep + 1} epochs; test log-likelihood flow {model.log_prob(te).mean():.3f}, independent normals {(-.5 * te ** 2).sum(1).mean() - 5 * math.log(2 * math.pi):.3f}, full Gaussian {cov.log_prob(te).mean():.3f}')
