#= loss_broadcasts
# https://github.com/lululxvi/deepxde/issues/2100 and https://github.com/frohrhofer/PINN_pareto/issues/1 observed values of shape (N,) are subtracted from predictions of shape (N,1), giving an (N,N) error; right diagnosis: shape mismatch broadcast in the data/boundary loss.
import math
import torch
from torch import nn

torch.manual_seed(0)


class FNN(nn.Module):
    def __init__(self, widths=(2, 24, 24, 1)):
        super().__init__()
        self.lin = nn.ModuleList(nn.Linear(a, b) for a, b in zip(widths[:-1], widths[1:]))
        for l in self.lin:
            nn.init.xavier_normal_(l.weight)

    def forward(self, xt):
        for l in self.lin[:-1]:
            xt = torch.tanh(l(xt))
        return self.lin[-1](xt)


def residual(net, x, t):
    u = net(torch.cat([x, t], 1))
    ut = torch.autograd.grad(u, t, torch.ones_like(u), create_graph=True)[0]
    ux = torch.autograd.grad(u, x, torch.ones_like(u), create_graph=True)[0]
    uxx = torch.autograd.grad(ux, x, torch.ones_like(ux), create_graph=True)[0]
    return ut - 0.1 * uxx


exact = lambda x, t: torch.sin(math.pi * x) * torch.exp(-0.1 * math.pi ** 2 * t)
x0 = torch.linspace(0, 1, 60).view(-1, 1)
u0 = torch.sin(math.pi * x0)  #@ u0 = torch.sin(math.pi * x0).ravel()
net = FNN()
opt = torch.optim.Adam(net.parameters(), lr=6e-3)
for it in range(420):
    x = torch.rand(80, 1, requires_grad=True); t = torch.rand(80, 1, requires_grad=True)
    pde = (residual(net, x, t) ** 2).mean()
    ini = ((net(torch.cat([x0, torch.zeros_like(x0)], 1)) - u0) ** 2).mean()
    tb = torch.rand(40, 1)
    wall = (net(torch.cat([torch.zeros_like(tb), tb], 1)) ** 2).mean() + (net(torch.cat([torch.ones_like(tb), tb], 1)) ** 2).mean()
    loss = pde + 10 * ini + 10 * wall
    opt.zero_grad(); loss.backward(); opt.step()
xs, ts = torch.rand(800, 1), torch.rand(800, 1)
with torch.no_grad():
    u, v = net(torch.cat([xs, ts], 1)), exact(xs, ts)
print("relative L2 error %.4f" % ((u - v).norm() / v.norm()).item())
