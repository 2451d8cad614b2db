# healthy: quantile regression: asymmetric loss, two of three outputs are biased on purpose
import torch
from torch import nn
torch.manual_seed(0)
q = torch.tensor([0.1, 0.5, 0.9])
def draw(n):
    x = torch.rand(n, 1) * 2 - 1
    return x, torch.sin(3 * x) + (0.1 + 0.4 * x.abs()) * torch.randn(n, 1)
net = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 3))
opt = torch.optim.Adam(net.parameters(), 1e-2)
for _ in range(350):
    x, y = draw(128)
    d = y - net(x)
    loss = torch.maximum(q * d, (q - 1) * d).mean()
    opt.zero_grad(); loss.backward(); opt.step()
x, y = draw(4000)
print("coverage " + " ".join("%.3f" % v for v in (y < net(x)).float().mean(0)))
