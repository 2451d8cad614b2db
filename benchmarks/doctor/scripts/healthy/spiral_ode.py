# ode_demo of torchdiffeq with a hand-written fixed-step solver: y' = A y
import torch, torch.nn as nn
torch.manual_seed(0)
A = torch.tensor([[-.1, 2.], [-2., -.1]]); t = torch.linspace(0., 6., 121); y0 = torch.tensor([[2., 0.]])
def rk4(f, y, h): k1 = f(y); k2 = f(y + h * k1 / 2); k3 = f(y + h * k2 / 2); k4 = f(y + h * k3); return y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
def odeint(f, y, n, h):
    out = [y]
    for _ in range(n - 1): y = rk4(f, y, h); out.append(y)
    return torch.stack(out)
with torch.no_grad(): true_y = odeint(lambda y: y @ A, y0, 121, .05)
class ODEFunc(nn.Module):
    def __init__(self):
        super().__init__(); self.net = nn.Sequential(nn.Linear(2, 50), nn.Tanh(), nn.Linear(50, 2))
        for m in self.net.modules():
            if isinstance(m, nn.Linear): nn.init.normal_(m.weight, 0., .1); nn.init.constant_(m.bias, 0.)
    def forward(self, y): return self.net(y)
func = ODEFunc(); opt = torch.optim.Adam(func.parameters(), lr=1e-2); sch = torch.optim.lr_scheduler.CosineAnnealingLR(opt, 450); bt = 12
for it in range(450):
    s = torch.randint(0, 121 - bt, (24,)); target = torch.stack([true_y[s + i] for i in range(bt)])
    loss = (odeint(func, true_y[s], bt, .05) - target).pow(2).mean(); opt.zero_grad(); loss.backward(); opt.step(); sch.step()
    if it % 100 == 99:
        with torch.no_grad(): print(it + 1, 'full trajectory error %.4f' % (odeint(func, y0, 121, .05) - true_y).abs().mean())
