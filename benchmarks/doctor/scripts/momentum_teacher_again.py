#= norm_statistics_stale
# https://github.com/saltoricristiano/cosmix-uda/issues/21 and https://github.com/lucidrains/byol-pytorch/issues/73 the EMA update copies parameters but not batch-norm running statistics, so the averaged model evaluates with initial statistics; right diagnosis: batch-norm buffers of the EMA copy are stale.
import copy
import torch
from torch import nn
import torch.nn.functional as F
from sklearn.datasets import load_digits


class MomentumUpdater:
    def __init__(self, tau=0.98):
        self.tau = tau

    @torch.no_grad()
    def update(self, online, momentum):
        for op, mp in zip(online.parameters(), momentum.parameters()):
            mp.mul_(self.tau).add_(op, alpha=1 - self.tau)
        for ob, mb in zip(online.buffers(), momentum.buffers()):  #@
            mb.copy_(ob)  #@


def convnet():
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.Flatten(), nn.Linear(512, 10))


torch.manual_seed(0)
d = load_digits()
x = torch.tensor(d.images, dtype=torch.float32).unsqueeze(1) * 0.5
y = torch.tensor(d.target)
student = convnet()
teacher = copy.deepcopy(student).requires_grad_(False).eval()
ema = MomentumUpdater()
opt = torch.optim.SGD(student.parameters(), lr=0.05, momentum=0.9)
for epoch in range(12):
    student.train()
    for b in torch.randperm(1400).split(64):
        loss = F.cross_entropy(student(x[b]), y[b])
        opt.zero_grad(); loss.backward(); opt.step()
        ema.update(student, teacher)
with torch.no_grad():
    print("averaged model test accuracy %.3f" % (teacher(x[1400:]).argmax(1) == y[1400:]).float().mean().item())
