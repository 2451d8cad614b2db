import torch, torch.nn as nn, math
torch.manual_seed(1234); torch.set_default_dtype(torch.float64)
class HeatPINN:
    """u_t = 0.1 u_xx on [0,1], u(x,0)=sin(pi x)+.5 sin(3 pi x), zero at both ends; Adam first, then LBFGS"""
    def __init__(self):
        self.dnn = nn.Sequential(nn.Linear(2, 24), nn.Tanh(), nn.Linear(24, 24), nn.Tanh(), nn.Linear(24, 1))
        self.xf = torch.rand(300, 1, requires_grad=True); self.tf = torch.rand(300, 1, requires_grad=True)
        self.x0 = torch.linspace(0, 1, 60)[:, None]; self.u0 = torch.sin(math.pi * self.x0) + .5 * torch.sin(3 * math.pi * self.x0); self.tb = torch.rand(60, 1); self.iter = 0
        self.lbfgs = torch.optim.LBFGS(self.dnn.parameters(), lr=1., max_iter=120, max_eval=190, history_size=40, tolerance_grad=1e-9, tolerance_change=1e-12, line_search_fn='strong_wolfe')
    def net_u(self, x, t): return self.dnn(torch.cat([x, t], 1))
    def net_f(self, x, t):
        u = self.net_u(x, t); one = torch.ones_like(u)
        u_t = torch.autograd.grad(u, t, one, retain_graph=True, create_graph=True)[0]; u_x = torch.autograd.grad(u, x, one, retain_graph=True, create_graph=True)[0]
        return u_t - .1 * torch.autograd.grad(u_x, x, one, create_graph=True)[0]
    def loss(self):
        l0 = ((self.net_u(self.x0, torch.zeros_like(self.x0)) - self.u0) ** 2).mean(); z = torch.zeros_like(self.tb)
        return 5 * l0 + (self.net_u(z, self.tb) ** 2).mean() + (self.net_u(z + 1, self.tb) ** 2).mean() + (self.net_f(self.xf, self.tf) ** 2).mean()
    def closure(self):
        self.lbfgs.zero_grad(); l = self.loss(); l.backward(); self.iter += 1; return l
    def train(self):
        o = torch.optim.Adam(self.dnn.parameters(), 5e-3)
        for _ in range(200): o.zero_grad(); l = self.loss(); l.backward(); o.step()
        print('after Adam', l.item()); self.lbfgs.step(self.closure); print('closure calls', self.iter, 'loss', self.loss().item())
m = HeatPINN(); m.train(); x, t = torch.rand(1000, 1), torch.rand(1000, 1)
ex = torch.sin(math.pi * x) * torch.exp(-.1 * math.pi ** 2 * t) + .5 * torch.sin(3 * math.pi * x) * torch.exp(-.9 * math.pi ** 2 * t)
with torch.no_grad(): print('relative L2 error %.4f' % ((m.net_u(x, t) - ex).norm() / ex.norm()))
