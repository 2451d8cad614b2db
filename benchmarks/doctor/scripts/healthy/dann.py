"""Domain-adversarial training with a gradient reversal layer; the domain loss should end near log 2, target labels are used for the report only."""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(101)


class ReverseLayerF(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, alpha):
        ctx.alpha = alpha
        return x.view_as(x)

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output.neg() * ctx.alpha, None


centres = torch.randn(3, 12) * 1.2
shift_dir = torch.randn(12)


def domain(n, target):
    y = torch.randint(0, 3, (n,))
    x = centres[y] + 0.7 * torch.randn(n, 12)
    if target:
        x = x + 1.8 * shift_dir
    return x, y


class DANN(nn.Module):
    def __init__(self):
        super().__init__()
        self.feature = nn.Sequential(nn.Linear(12, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU())
        self.class_classifier = nn.Sequential(nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 3))
        self.domain_classifier = nn.Sequential(nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 2))

    def forward(self, x, alpha=0.0):
        f = self.feature(x)
        return self.class_classifier(f), self.domain_classifier(ReverseLayerF.apply(f, alpha))


def train(adapt):
    torch.manual_seed(5)
    sx, sy = domain(2000, False)
    tx, _ = domain(2000, True)
    vx, vy = domain(600, True)
    net = DANN()
    opt = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9)
    steps, total = 0, 12 * 31
    for epoch in range(12):
        for a, b in zip(torch.randperm(2000).split(64), torch.randperm(2000).split(64)):
            p = steps / total
            alpha = 2.0 / (1 + math.exp(-10 * p)) - 1
            cls, dom_s = net(sx[a], alpha)
            _, dom_t = net(tx[b], alpha)
            err_label = F.cross_entropy(cls, sy[a])
            err_dom = F.cross_entropy(dom_s, torch.zeros(len(a), dtype=torch.long)) + F.cross_entropy(dom_t, torch.ones(len(b), dtype=torch.long))
            loss = err_label + (0.5 * err_dom if adapt else 0.0)
            opt.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 5.0)
            opt.step()
            steps += 1
        if epoch % 4 == 3:
            with torch.no_grad():
                acc = (net(vx)[0].argmax(1) == vy).float().mean().item()
            print(f"  epoch {epoch + 1} label loss {err_label.item():.4f} domain loss {err_dom.item() / 2:.3f} target accuracy {acc:.3f}")
    return acc


print("source only")
a0 = train(False)
print("adversarial")
a1 = train(True)
print(f"target accuracy {a0:.3f} -> {a1:.3f}")
