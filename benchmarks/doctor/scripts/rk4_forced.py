#= formula_wrong
#: https://github.com/probabilistic-numerics/probnum/issues/252 ; all RK4 stages are evaluated at t instead of t+h/2 and t+h, so the time-varying system is integrated wrongly; diagnosis: stage times missing in the integrator.
import torch, numpy as np
torch.manual_seed(0)
from scipy.integrate import solve_ivp

def rk4_step(fun, t, y, h):
    k1 = fun(t, y)
    k2 = fun(t + h / 2, y + h * k1 / 2)  #@ k2 = fun(t, y + h * k1 / 2)
    k3 = fun(t + h / 2, y + h * k2 / 2)  #@ k3 = fun(t, y + h * k2 / 2)
    k4 = fun(t + h, y + h * k3)  #@ k4 = fun(t, y + h * k3)
    return y + h * (k1 + 2 * k2 + 2 * k3 + k4) / 6

class ForcedOscillator(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.log_k = torch.nn.Parameter(torch.tensor(0.0)); self.log_c = torch.nn.Parameter(torch.tensor(-1.0))
        self.phase = torch.nn.Parameter(torch.tensor(0.0))
    def forward(self, t, y):
        x, v = y[..., 0], y[..., 1]
        return torch.stack([v, -self.log_k.exp() * x - self.log_c.exp() * v + torch.cos(2.0 * t + self.phase)], -1)

k, c, ph = 2.2, .25, .6
ts = np.linspace(0, 12, 49)
starts = np.array([[1., 0.], [-.5, 1.], [0., -1.], [2., .5]])
data = np.stack([solve_ivp(lambda t, y: [y[1], -k * y[0] - c * y[1] + np.cos(2 * t + ph)], (0, 12), s, t_eval=ts, rtol=1e-8).y.T for s in starts], 1)
data = torch.tensor(data, dtype=torch.float32) + .01 * torch.randn(49, 4, 2)
f = ForcedOscillator(); opt = torch.optim.Adam(f.parameters(), lr=.03)
for it in range(110):
    horizon = 12 if it < 50 else 48
    y = data[0]; loss = 0
    for n in range(horizon):
        y = rk4_step(f, torch.tensor(ts[n], dtype=torch.float32), y, .25)
        loss = loss + ((y - data[n + 1]) ** 2).mean()
    loss = loss / horizon
    opt.zero_grad(); loss.backward(); opt.step()
    if it % 40 == 39: print(it + 1, round(loss.item(), 5))
print('k %.3f (2.2) c %.3f (0.25) phase %.3f (0.6) loss %.5f' % (f.log_k.exp(), f.log_c.exp(), f.phase, loss))
