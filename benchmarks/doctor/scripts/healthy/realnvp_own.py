import math, torch
from torch import nn
from sklearn.datasets import make_moons
torch.manual_seed(0)
class Coupling(nn.Module):
    def __init__(self, mask):
        super().__init__(); self.register_buffer('m', mask)
        f = lambda last: nn.Sequential(nn.Linear(2, 48), nn.LeakyReLU(), nn.Linear(48, 48), nn.LeakyReLU(), nn.Linear(48, 2), last)
        self.s, self.t = f(nn.Tanh()), f(nn.Identity())
    def inverse(self, x):
        xm = x * self.m; s, t = self.s(xm) * (1 - self.m), self.t(xm) * (1 - self.m); return xm + (1 - self.m) * (x - t) * torch.exp(-s), -s.sum(1)
    def forward(self, z):
        zm = z * self.m; s, t = self.s(zm) * (1 - self.m), self.t(zm) * (1 - self.m); return zm + (1 - self.m) * (z * torch.exp(s) + t)
masks = torch.tensor([[0., 1.], [1., 0.]] * 2)
flow = nn.ModuleList(Coupling(m) for m in masks)
prior = torch.distributions.MultivariateNormal(torch.zeros(2), torch.eye(2))
def log_prob(x):
    ld = 0.
    for c in reversed(flow): x, d = c.inverse(x); ld = ld + d
    return prior.log_prob(x) + ld
opt = torch.optim.Adam(flow.parameters(), lr=5e-3); sch = torch.optim.lr_scheduler.CosineAnnealingLR(opt, 900)
test = torch.tensor(make_moons(1000, noise=.05, random_state=99)[0]).float(); base = torch.distributions.MultivariateNormal(test.mean(0), test.T.cov()).log_prob(test).mean()
for t in range(900):
    x = torch.tensor(make_moons(100, noise=.05, random_state=t)[0]).float()
    loss = -log_prob(x).mean(); opt.zero_grad(); loss.backward(); opt.step(); sch.step()
with torch.no_grad():
    z = prior.sample((500,))
    for c in flow: z = c(z)
    print('test log likelihood %.3f (single Gaussian %.3f), median distance of samples to data %.3f' % (log_prob(test).mean(), base, torch.cdist(z, test).min(1)[0].median()))
