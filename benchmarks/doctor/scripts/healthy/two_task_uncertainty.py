# healthy: learned task weights (in the optimizer) make the total loss negative
import torch
from torch import nn
import torch.nn.functional as F
torch.manual_seed(0)
X = torch.randn(600, 8)
ya = X[:, 0] * X[:, 1] + 0.05 * torch.randn(600); yb = 100 * torch.tanh(X[:, 2] - X[:, 3]) + 20 * torch.randn(600)
class Multi(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(8, 48), nn.ReLU(), nn.Linear(48, 48), nn.ReLU())
        self.a, self.b = nn.Linear(48, 1), nn.Linear(48, 1)
        self.s = nn.Parameter(torch.tensor([0.0, 8.0]))
    def forward(self, x):
        h = self.body(x)
        return self.a(h).squeeze(1), 100 * self.b(h).squeeze(1)
m = Multi(); opt = torch.optim.Adam([{"params": [p for n, p in m.named_parameters() if n != "s"], "lr": 5e-3}, {"params": [m.s], "lr": 2e-2}])
for it in range(350):
    i = torch.randint(0, 500, (64,))
    a, b = m(X[i])
    l = torch.stack([F.mse_loss(a, ya[i]), F.mse_loss(b, yb[i])])
    loss = (0.5 * torch.exp(-m.s) * l + 0.5 * m.s).sum()
    opt.zero_grad(); loss.backward(); opt.step()
a, b = m(X[500:])
r2 = lambda p, t: (1 - F.mse_loss(p, t) / t.var()).item()
print("r2 %.3f and %.3f" % (r2(a, ya[500:]), r2(b, yb[500:])))
