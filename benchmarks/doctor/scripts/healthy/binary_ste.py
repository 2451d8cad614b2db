# healthy: sign activations with straight-through gradients, latent weights clipped after each step
import torch
from torch import nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
class Sign(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x); return torch.where(x >= 0, 1.0, -1.0)
    @staticmethod
    def backward(ctx, g):
        x, = ctx.saved_tensors
        return g * (x.abs() <= 1)
class BinLinear(nn.Linear):
    def forward(self, x):
        return F.linear(x, Sign.apply(self.weight)) / self.in_features ** 0.5 + self.bias
torch.manual_seed(0)
d = load_digits(); x, y = torch.tensor(d.data, dtype=torch.float32) / 8 - 1, torch.tensor(d.target)
net = nn.Sequential(BinLinear(64, 128), nn.BatchNorm1d(128), nn.Hardtanh(), BinLinear(128, 10))
opt = torch.optim.Adam(net.parameters(), 1e-2)
for _ in range(250):
    i = torch.randint(0, 1400, (64,))
    opt.zero_grad(); F.cross_entropy(net(x[i]), y[i]).backward(); opt.step()
    with torch.no_grad():
        for m in net:
            if isinstance(m, BinLinear): m.weight.clamp_(-1, 1)
net.eval()
print("binary-weight accuracy %.3f" % (net(x[1400:]).argmax(1) == y[1400:]).float().mean().item())
