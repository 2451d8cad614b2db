#= loss_sign
# https://github.com/CuthbertCai/pytorch_DANN/issues/10 the reversal layer negates the gradient but the scheduled coefficient is negative as well (gamma=-10), so the features are trained to help the domain classifier; right diagnosis: gradient reversal has no effect / wrong sign of lambda.
import math
import torch
from torch import nn


class GradReverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, constant):
        ctx.constant = constant
        return x.view_as(x)

    @staticmethod
    def backward(ctx, grad):
        return grad.neg() * ctx.constant, None


class DANN(nn.Module):
    def __init__(self):
        super().__init__()
        self.extractor = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 16), nn.ReLU())
        self.cls = nn.Linear(16, 2)
        self.dom = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 2))

    def forward(self, x, c):
        h = self.extractor(x)
        return self.cls(h), self.dom(GradReverse.apply(h, c))


GAMMA = 10  #@ GAMMA = -10
THETA = 1.0


def domain(n, target):
    y = torch.randint(0, 2, (n,))
    s = (2 * y - 1).float()
    x = 0.5 * torch.randn(n, 6)
    x[:, 0] += s * 1.0
    x[:, 1] += s * 1.5
    x[:, 1] += 2.5 if target else 0.0
    x[:, 2] += 0.5 if target else -0.5
    return x, y


torch.manual_seed(1)
net = DANN()
opt = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9, weight_decay=1e-3)
sx, sy = domain(800, False)
tx, _ = domain(800, True)
ce = nn.CrossEntropyLoss()
E = 350
for step in range(E):
    lam = 2.0 / (1.0 + math.exp(-GAMMA * step / E)) - 1
    i, j = torch.randint(0, 800, (2, 64))
    cp, dp = net(torch.cat([sx[i], tx[j]]), lam)
    class_loss = ce(cp[:64], sy[i])
    domain_loss = ce(dp, torch.arange(2).repeat_interleave(64))
    opt.zero_grad()
    (class_loss + THETA * domain_loss).backward()
    opt.step()
vx, vy = domain(1500, True)
with torch.no_grad():
    hs, ht = net.extractor(sx), net.extractor(vx)
    gap = ((hs.mean(0) - ht.mean(0)).norm() / hs.std(0).norm()).item()
    print("target accuracy %.3f, feature gap %.3f" % ((net(vx, 0)[0].argmax(1) == vy).float().mean().item(), gap))
