#= parameter_unreached
#: https://github.com/kumar-shridhar/PyTorch-BayesianCNN/issues/7 ; the KL term is computed from a second set of weights that the data path never uses, so the prior regularises nothing; diagnosis: KL and forward use different parameters.
import torch, torch.nn as nn, math
torch.manual_seed(0)
class BBBLinear(nn.Module):
    def __init__(self, i, o, prior=1.):
        super().__init__()
        self.mu = nn.Parameter(torch.randn(o, i) / math.sqrt(i)); self.rho = nn.Parameter(torch.full((o, i), -4.)); self.b = nn.Parameter(torch.zeros(o)); self.prior = prior
        #+ self.q_mu = nn.Parameter(torch.randn(o, i) / math.sqrt(i)); self.q_rho = nn.Parameter(torch.full((o, i), -4.))
    def forward(self, x):
        sd = nn.functional.softplus(self.rho)
        m = x @ self.mu.T + self.b; v = (x ** 2) @ (sd ** 2).T
        return m + torch.sqrt(v + 1e-10) * torch.randn_like(m)
    def kl(self):
        mu, rho = self.mu, self.rho  #@ mu, rho = self.q_mu, self.q_rho
        sd = nn.functional.softplus(rho)
        return (math.log(self.prior) - sd.log() + (sd ** 2 + mu ** 2) / (2 * self.prior ** 2) - .5).sum()
g = torch.Generator().manual_seed(1)
def f(x): return torch.sin(3 * x)
xt = torch.cat([torch.rand(14, 1, generator=g) * .8 - 1., torch.rand(14, 1, generator=g) * .8 + .3]); yt = f(xt) + .4 * torch.randn(28, 1, generator=g)
xs = torch.linspace(-1, 1.1, 200)[:, None]
net = nn.Sequential(BBBLinear(1, 32), nn.Tanh(), BBBLinear(32, 32), nn.Tanh(), BBBLinear(32, 1))
layers = [l for l in net if isinstance(l, BBBLinear)]
opt = torch.optim.Adam(net.parameters(), lr=5e-3); sig = .4
for step in range(1200):
    nll = (((net(xt) - yt) ** 2) / (2 * sig ** 2)).sum()
    loss = (nll + .02 * sum(l.kl() for l in layers)) / len(xt)
    opt.zero_grad(); loss.backward(); opt.step()
with torch.no_grad():
    s = torch.stack([net(xs) for _ in range(100)]); m, sd = s.mean(0), (s.var(0) + sig ** 2).sqrt()
    nlpd = (.5 * ((f(xs) - m) / sd) ** 2 + sd.log()).mean(); gap = (xs.squeeze() > -.2) & (xs.squeeze() < .3)
    print('train nll %.3f test rmse %.3f nlpd %.3f sd in gap %.3f' % (nll / len(xt), ((m - f(xs)) ** 2).mean().sqrt(), nlpd, s.std(0)[gap].mean()))
