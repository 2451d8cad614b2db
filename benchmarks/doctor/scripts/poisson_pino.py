#= formula_wrong
#: https://github.com/neuraloperator/neuraloperator/pull/619 ; the total is (weight + interior loss) + boundary loss, so the weight is a constant without effect on the gradient; diagnosis: weight must multiply the PDE loss.
import torch, torch.nn as nn, math
torch.manual_seed(0)
class PoissonLoss:
    """-laplace(u) = f on the unit square, u = 0 on the edge"""
    def __init__(self, interior_weight, boundary_weight): self.wi, self.wb = interior_weight, boundary_weight
    @staticmethod
    def lap(u, x):
        g = torch.autograd.grad(u.sum(), x, create_graph=True)[0]
        return sum(torch.autograd.grad(g[:, i].sum(), x, create_graph=True)[0][:, i:i + 1] for i in range(2))
    def __call__(self, net, xi, xb, f):
        xi = xi.requires_grad_(True)
        interior = ((self.lap(net(xi), xi) + f(xi)) ** 2).mean()
        boundary = (net(xb) ** 2).mean()
        return self.wi * interior + self.wb * boundary  #@ return (self.wi + interior) + self.wb * boundary
exact = lambda x: torch.sin(math.pi * x[:, :1]) * torch.sin(math.pi * x[:, 1:])
f = lambda x: 2 * math.pi ** 2 * exact(x)
net = nn.Sequential(nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1))
crit = PoissonLoss(.01, 1.); opt = torch.optim.Adam(net.parameters(), lr=5e-3); sch = torch.optim.lr_scheduler.ExponentialLR(opt, .998)
def edge(n):
    s = torch.rand(n, 1); z, o = torch.zeros(n, 1), torch.ones(n, 1)
    return torch.cat([torch.cat(q, 1) for q in ((s, z), (s, o), (z, s), (o, s))])
for it in range(1000):
    loss = crit(net, torch.rand(128, 2), edge(32), f); opt.zero_grad(); loss.backward(); opt.step(); sch.step()
    if it % 250 == 249: print(it + 1, 'loss %.5f' % loss.item())
g = torch.rand(2000, 2)
with torch.no_grad(): print('relative L2 error %.4f' % ((net(g) - exact(g)).norm() / exact(g).norm()))
