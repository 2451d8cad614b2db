import torch, torch.nn as nn
torch.manual_seed(0)
def f(n, lo=-4., hi=4.): x = torch.rand(n, 1) * (hi - lo) + lo; return x, x ** 3 / 30 + (.15 + .15 * (x > 0)) * torch.randn(n, 1)
class GaussianMLP(nn.Module):
    def __init__(self): super().__init__(); self.n = nn.Sequential(nn.Linear(1, 50), nn.ReLU(), nn.Linear(50, 50), nn.ReLU(), nn.Linear(50, 2))
    def forward(self, x): m, v = self.n(x).chunk(2, 1); return m, nn.functional.softplus(v) + 1e-6
X, Y = f(600); crit = nn.GaussianNLLLoss(); members = []
for k in range(4):
    torch.manual_seed(100 + k); m = GaussianMLP(); o = torch.optim.Adam(m.parameters(), 4e-3)
    for it in range(350):
        i = torch.randint(600, (64,)); xb = X[i].clone().requires_grad_(True); mu, v = m(xb); loss = crit(mu, Y[i], v)
        g = torch.autograd.grad(loss, xb, retain_graph=True)[0]
        mu2, v2 = m((xb + .02 * g.sign()).detach()); loss = loss + crit(mu2, Y[i], v2); o.zero_grad(); loss.backward(); o.step()
    members.append(m.eval())
@torch.no_grad()
def predict(x):
    M, V = map(torch.stack, zip(*[m(x) for m in members])); mu = M.mean(0); return mu, (V + M ** 2).mean(0) - mu ** 2, M.var(0)
tx, ty = f(800); mu, var, ep = predict(tx); _, _, far = predict(torch.linspace(6, 9, 50)[:, None])
print('rmse %.3f nll %.3f coverage95 %.3f epistemic sd inside %.3f far %.3f' % (((mu - ty) ** 2).mean().sqrt(), crit(mu, ty, var), ((mu - ty).abs() < 1.96 * var.sqrt()).float().mean(), ep.mean().sqrt(), far.mean().sqrt()))
