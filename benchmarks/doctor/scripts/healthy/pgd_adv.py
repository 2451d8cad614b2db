# healthy: https://github.com/MadryLab/cifar10_challenge: adversarial training by PGD; the attack takes gradients of the input only and the net is in eval mode meanwhile; nothing is wrong.
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.manual_seed(9)
EPS, ALPHA, K = .15, .05, 5
d = load_digits()
x = torch.tensor(d.images, dtype=torch.float32)[:, None] / 16; y = torch.tensor(d.target)
idx = torch.randperm(len(x)); tr, te = idx[:1300], idx[1300:]

class LinfPGDAttack:
    def __init__(self, model, eps, k, a, random_start=True):
        self.model, self.eps, self.k, self.a, self.rand = model, eps, k, a, random_start
    def perturb(self, x_nat, y):
        mode = self.model.training
        self.model.eval()
        x = x_nat.detach()
        if self.rand: x = (x + torch.empty_like(x).uniform_(-self.eps, self.eps)).clamp(0, 1)
        for _ in range(self.k):
            x.requires_grad_()
            with torch.enable_grad():
                loss = F.cross_entropy(self.model(x), y)
            g = torch.autograd.grad(loss, [x])[0]
            x = x.detach() + self.a * g.sign()
            x = torch.min(torch.max(x, x_nat - self.eps), x_nat + self.eps).clamp(0, 1)
        self.model.train(mode)
        return x.detach()

def train(adv):
    torch.manual_seed(1)
    net = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.Flatten(), nn.Linear(512, 64), nn.ReLU(), nn.Linear(64, 10))
    attack = LinfPGDAttack(net, EPS, K, ALPHA)
    opt = torch.optim.Adam(net.parameters(), 2e-3)
    for ep in range(9 if adv else 5):
        net.train()
        for b in tr[torch.randperm(len(tr))].split(100):
            xb = attack.perturb(x[b], y[b]) if adv else x[b]
            loss = F.cross_entropy(net(xb), y[b])
            opt.zero_grad(); loss.backward(); opt.step()
    net.eval()
    nat = (net(x[te]).argmax(1) == y[te]).float().mean().item()
    xa = LinfPGDAttack(net, EPS, 15, .02).perturb(x[te], y[te])
    rob = (net(xa).argmax(1) == y[te]).float().mean().item()
    return nat, rob

for name, flag in (('plain', False), ('adversarial', True)):
    n, r = train(flag)
    print(f'{name}: clean accuracy {n:.3f}, under attack {r:.3f}')
