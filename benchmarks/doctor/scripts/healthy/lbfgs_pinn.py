import math, torch, torch.nn as nn
torch.manual_seed(0)
u = nn.Sequential(nn.Linear(1, 20), nn.Tanh(), nn.Linear(20, 20), nn.Tanh(), nn.Linear(20, 1))
x = torch.linspace(0, 1, 60)[:, None].requires_grad_(True)
bc = torch.tensor([[0.], [1.]])
opt = torch.optim.LBFGS(u.parameters(), lr=1., max_iter=4, history_size=30, line_search_fn='strong_wolfe')
def closure():
    opt.zero_grad()
    y = u(x)
    dy = torch.autograd.grad(y.sum(), x, create_graph=True)[0]
    d2 = torch.autograd.grad(dy.sum(), x, create_graph=True)[0]
    loss = (d2 + math.pi ** 2 * torch.sin(math.pi * x)).square().mean() + 10 * u(bc).square().mean()
    loss.backward()
    return loss
for k in range(70): l = opt.step(closure)
with torch.no_grad(): print('residual %.2e, max error %.4f' % (l.item(), (u(x) - torch.sin(math.pi * x)).abs().max().item()))
