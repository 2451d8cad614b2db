# mixture density network for the inverse sinusoid (Bishop 1994)
import math, torch, torch.nn as nn
torch.manual_seed(42)
def make(n):
    y = torch.rand(n, 1) * 21 - 10.5; return 7 * torch.sin(.75 * y) + .5 * y + torch.randn(n, 1), y
x, y = make(2500); xv, yv = make(1000)
class MDN(nn.Module):
    def __init__(self, K=10, H=32):
        super().__init__()
        self.z_h = nn.Sequential(nn.Linear(1, H), nn.Tanh(), nn.Linear(H, H), nn.Tanh())
        self.z_pi, self.z_mu, self.z_sigma = nn.Linear(H, K), nn.Linear(H, K), nn.Linear(H, K)
        nn.init.uniform_(self.z_mu.bias, -10, 10)
    def forward(self, x):
        h = self.z_h(x / 5); return self.z_pi(h).log_softmax(-1), self.z_mu(h), self.z_sigma(h).clamp(-4, 4)
def nll(out, y):
    logpi, mu, ls = out
    lp = -0.5 * ((y - mu) / ls.exp()) ** 2 - ls - 0.5 * math.log(2 * math.pi)
    return -torch.logsumexp(logpi + lp, dim=1).mean()
net = MDN(); opt = torch.optim.Adam(net.parameters(), 1e-2)
best = (1e9, None)
for epoch in range(900):
    loss = nll(net(x), y)
    opt.zero_grad(); loss.backward(); opt.step()
    if epoch == 600: opt.param_groups[0]["lr"] = 2e-3
    if epoch % 200 == 0: print(epoch, round(loss.item(), 3))
with torch.no_grad():
    v = nll(net(xv), yv); ls = y.std().log()
    g = (0.5 * ((yv - y.mean()) / y.std()) ** 2 + ls + 0.5 * math.log(2 * math.pi)).mean()
    lp, mu, s = net(torch.tensor([[0.0]])); used = (lp.exp() > .05).sum().item()
print(f"train nll {loss.item():.3f} held-out nll {v:.3f} single Gaussian {g:.3f} components in use at x=0: {used}")
