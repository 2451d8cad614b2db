#= norm_statistics_stale
#: https://github.com/CuriousAI/mean-teacher/issues/9 (also FlyreelAI/sesemi#36) ; only parameters are averaged, the teacher keeps the initial running mean and variance of batch norm; diagnosis: buffers of the EMA model are never updated.
import copy, torch, torch.nn as nn, torch.nn.functional as F
from sklearn.datasets import load_digits
torch.manual_seed(0)
d = load_digits(); X = torch.tensor(d.images, dtype=torch.float32)[:, None]; y = torch.tensor(d.target)
g = torch.randperm(1797); lab, unl, tst = g[:120], g[120:1300], g[1300:]
def cnn():
    return nn.Sequential(nn.Conv2d(1, 24, 3, padding=1), nn.BatchNorm2d(24), nn.ReLU(), nn.MaxPool2d(2),
                         nn.Conv2d(24, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(128, 10))
student = cnn(); teacher = copy.deepcopy(student)
for p in teacher.parameters(): p.detach_()
def update_ema_variables(model, ema_model, alpha, step):
    alpha = min(1 - 1 / (step + 1), alpha)
    for e, p in zip(ema_model.parameters(), model.parameters()):
        e.data.mul_(alpha).add_(p.data, alpha=1 - alpha)
    for e, b in zip(ema_model.buffers(), model.buffers()):  #@ pass
        e.copy_(b)  #@
def noise(x): return x + torch.randn_like(x) * 1.5
opt = torch.optim.SGD(student.parameters(), lr=.05, momentum=.9, weight_decay=1e-4)
step = 0
for ep in range(8):
    student.train(); teacher.eval()
    for ub in unl[torch.randperm(len(unl))].split(80):
        lb = lab[torch.randint(120, (40,))]
        xb = torch.cat([X[lb], X[ub]])
        out = student(noise(xb))
        with torch.no_grad(): t = F.softmax(teacher(noise(xb)), 1)
        w = min(1., step / 100) * 3
        loss = F.cross_entropy(out[:40], y[lb]) + w * F.mse_loss(F.softmax(out, 1), t)
        opt.zero_grad(); loss.backward(); opt.step(); step += 1
        update_ema_variables(student, teacher, .98, step)
student.eval()
with torch.no_grad():
    acc = lambda m: (m(X[tst]).argmax(1) == y[tst]).float().mean().item()
    print('student %.3f teacher %.3f' % (acc(student), acc(teacher)))
