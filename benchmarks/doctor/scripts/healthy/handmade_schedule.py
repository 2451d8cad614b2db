# healthy: learning rate is set by hand from the step number (warm-up then cosine), starting from zero
import math
import torch
from torch import nn
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import StandardScaler

class WarmCos:
    def __init__(self, opt, peak, warm, total):
        self.opt, self.peak, self.warm, self.total, self.n = opt, peak, warm, total, 0
    def step(self):
        self.n += 1
        k = self.n / self.warm if self.n <= self.warm else 0.5 * (1 + math.cos(math.pi * (self.n - self.warm) / (self.total - self.warm)))
        for g in self.opt.param_groups:
            g["lr"] = self.peak * k * g.get("mult", 1.0)

torch.manual_seed(0)
X, y = load_breast_cancer(return_X_y=True)
X = torch.tensor(StandardScaler().fit(X[:400]).transform(X), dtype=torch.float32); y = torch.tensor(y).float()
net = nn.Sequential(nn.Linear(30, 16), nn.ReLU(), nn.Linear(16, 1))
opt = torch.optim.AdamW([{"params": net[0].parameters(), "mult": 0.5}, {"params": net[2].parameters()}], lr=0.0)
sched = WarmCos(opt, 5e-3, 20, 200)
for i in range(200):
    sched.step()
    b = torch.randint(0, 400, (50,))
    opt.zero_grad()
    nn.functional.binary_cross_entropy_with_logits(net(X[b]).squeeze(1), y[b]).backward()
    opt.step()
print("accuracy %.3f" % ((net(X[400:]).squeeze(1) > 0) == (y[400:] > 0.5)).float().mean().item())
