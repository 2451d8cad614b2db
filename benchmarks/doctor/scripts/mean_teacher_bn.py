#= norm_statistics_stale
#: https://github.com/saltoricristiano/cosmix-uda/issues/21 - only parameters are averaged; the teacher's BatchNorm running statistics keep their start values, so the teacher (in eval mode) predicts badly; right: copy or average the buffers too.
import copy
import torch
from torch import nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.manual_seed(1)
X, y = load_digits(return_X_y=True)
X = torch.tensor(X, dtype=torch.float32).view(-1, 1, 8, 8)
y = torch.tensor(y)
p = torch.randperm(len(X))
lab, unl, te = p[:100], p[100:1300], p[1300:]


class MomentumUpdater:
    def __init__(self, tau): self.tau = tau

    @torch.no_grad()
    def update(self, online, momentum):
        for op, mp in zip(online.parameters(), momentum.parameters()):
            mp.data.mul_(self.tau).add_(op.data, alpha=1 - self.tau)
        for ob, mb in zip(online.buffers(), momentum.buffers()):  #@ self.tau = self.tau
            mb.copy_(ob)  #@


student = nn.Sequential(
    nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(),
    nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.BatchNorm2d(32), nn.ReLU(),
    nn.Conv2d(32, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.Flatten(), nn.Linear(512, 10))
teacher = copy.deepcopy(student).eval()
for q in teacher.parameters():
    q.requires_grad = False
updater = MomentumUpdater(.97)
opt = torch.optim.Adam(student.parameters(), lr=2e-3)
noise = lambda z: z + 2. * torch.randn_like(z)
for it in range(240):
    student.train()
    bl, bu = lab[torch.randint(0, 100, (32,))], unl[torch.randint(0, 1200, (64,))]
    with torch.no_grad():
        target = teacher(noise(X[bu])).softmax(1)
    out = student(torch.cat([noise(X[bl]), noise(X[bu])]))
    ce = F.cross_entropy(out[:32], y[bl])
    cons = (out[32:].softmax(1) - target).pow(2).sum(1).mean()
    loss = ce + min(1., it / 80) * 2. * cons
    opt.zero_grad(); loss.backward(); opt.step()
    updater.update(student, teacher)
    if it % 60 == 0: print(f'{it} ce {ce.item():.3f} consistency {cons.item():.4f}')
student.eval()
with torch.no_grad():
    acc = lambda n: (n(X[te]).argmax(1) == y[te]).float().mean().item()
    print(f'student {acc(student):.4f}, teacher {acc(teacher):.4f}')
