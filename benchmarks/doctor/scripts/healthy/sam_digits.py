import torch, torch.nn as nn, torch.nn.functional as F
from sklearn.datasets import load_digits
class SAM(torch.optim.Optimizer):
    def __init__(self, params, base, rho=.05, **kw):
        super().__init__(params, dict(rho=rho, **kw)); self.base = base(self.param_groups, **kw); self.param_groups = self.base.param_groups
    @torch.no_grad()
    def first_step(self):
        n = torch.norm(torch.stack([p.grad.norm(2) for g in self.param_groups for p in g['params'] if p.grad is not None]))
        for g in self.param_groups:
            for p in g['params']:
                if p.grad is None: continue
                self.state[p]['old_p'] = p.data.clone(); p.add_(p.grad * (g['rho'] / (n + 1e-12)))
        self.zero_grad()
    @torch.no_grad()
    def second_step(self):
        for g in self.param_groups:
            for p in g['params']:
                if p.grad is not None: p.data = self.state[p]['old_p']
        self.base.step(); self.zero_grad()
torch.manual_seed(0)
d = load_digits(); X = torch.tensor(d.data).float() / 16; y = torch.tensor(d.target); p = torch.randperm(1797); X, y = X[p], y[p]
net = nn.Sequential(nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 10)); opt = SAM(net.parameters(), torch.optim.SGD, lr=.1, momentum=.9)
for ep in range(8):
    for b in torch.randperm(1300).split(50):
        F.cross_entropy(net(X[b]), y[b], label_smoothing=.1).backward(); opt.first_step()
        F.cross_entropy(net(X[b]), y[b], label_smoothing=.1).backward(); opt.second_step()
with torch.no_grad(): o = net(X[1300:]); print('test acc %.4f loss %.4f' % ((o.argmax(1) == y[1300:]).float().mean().item(), F.cross_entropy(o, y[1300:]).item()))
