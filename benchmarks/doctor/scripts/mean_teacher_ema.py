#= norm_statistics_stale
# https://github.com/saltoricristiano/cosmix-uda/issues/21 "EMA with buffers to stabilize the teacher": the EMA teacher gets the parameters but never the batch norm running statistics; a right diagnosis says copy the buffers too.
import copy
import torch
import torch.nn as nn
from sklearn.datasets import load_digits

torch.manual_seed(0)
d = load_digits()
X = torch.tensor(d.images / 16.0, dtype=torch.float32).unsqueeze(1)
y = torch.tensor(d.target)
perm = torch.randperm(len(y))
tr, te = perm[:1400], perm[1400:]


def make_net():
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(128, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 10))


class MomentumUpdater:
    def __init__(self, tau=0.97):
        self.cur_tau = tau

    @torch.no_grad()
    def update(self, online_net, momentum_net):
        for op, mp in zip(online_net.parameters(), momentum_net.parameters()):
            mp.mul_(self.cur_tau).add_(op, alpha=1 - self.cur_tau)
        for ob, mb in zip(online_net.buffers(), momentum_net.buffers()):
            mb.copy_(ob)  #@ pass


student = make_net()
teacher = copy.deepcopy(student)
for p in teacher.parameters():
    p.requires_grad_(False)
teacher.eval()
opt = torch.optim.SGD(student.parameters(), lr=0.02, momentum=0.9, weight_decay=1e-4)
updater = MomentumUpdater()

for epoch in range(1, 11):
    student.train()
    for i in tr[torch.randperm(len(tr))].split(50):
        loss = nn.functional.cross_entropy(student(X[i]), y[i])
        opt.zero_grad()
        loss.backward()
        opt.step()
        updater.update(student, teacher)
    student.eval()
    with torch.no_grad():
        s = (student(X[te]).argmax(1) == y[te]).float().mean().item()
        t = (teacher(X[te]).argmax(1) == y[te]).float().mean().item()
    print(f"epoch {epoch} loss {loss.item():.4f} student {s:.4f} teacher {t:.4f}")
