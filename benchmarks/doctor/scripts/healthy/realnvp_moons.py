import math, torch, torch.nn as nn
from sklearn.datasets import make_moons
torch.manual_seed(0)
X = torch.tensor(make_moons(1500, noise=.08, random_state=0)[0], dtype=torch.float32); X = (X - X.mean(0)) / X.std(0)
class Coupling(nn.Module):
    def __init__(self, flip):
        super().__init__(); self.flip = flip
        self.net = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 2))
        nn.init.zeros_(self.net[-1].weight); nn.init.zeros_(self.net[-1].bias)
    def forward(self, x):
        a, b = x.chunk(2, 1)
        if self.flip: a, b = b, a
        s, t = self.net(a).chunk(2, 1); s = 2 * torch.tanh(s / 2)
        b = b * s.exp() + t
        return torch.cat([b, a] if self.flip else [a, b], 1), s.squeeze(1)
flow = nn.ModuleList(Coupling(k % 2 == 1) for k in range(6))
opt = torch.optim.Adam(flow.parameters(), 4e-3)
def nll(x):
    ld = 0.
    for f in flow: x, s = f(x); ld = ld + s
    return (.5 * x.square().sum(1) + math.log(2 * math.pi) - ld).mean()
first = nll(X[1200:]).item()
for ep in range(36):
    for i in torch.randperm(1200).split(100):
        loss = nll(X[i]); opt.zero_grad(); loss.backward(); nn.utils.clip_grad_norm_(flow.parameters(), 5.); opt.step()
print('held-out nll %.3f (untrained %.3f)' % (nll(X[1200:]).item(), first))
