#= log_of_probabilities
# https://github.com/microsoft/ProDA/issues/20 and issues/43: F.kl_div gets softmax(student), but its first argument must be log-probabilities; the loss is negative and the student does not match the teacher; a right diagnosis says log_softmax.
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.manual_seed(0)
d = load_digits()
X = torch.tensor(d.data / 16.0, dtype=torch.float32)
y = torch.tensor(d.target)
perm = torch.randperm(len(y))
tr, te = perm[:1300], perm[1300:]

teacher_net = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 10))
t_opt = torch.optim.Adam(teacher_net.parameters(), lr=1e-3)
for _ in range(15):
    for b in tr[torch.randperm(len(tr))].split(64):
        l = F.cross_entropy(teacher_net(X[b]), y[b], label_smoothing=0.1)
        t_opt.zero_grad()
        l.backward()
        t_opt.step()
teacher_net.eval()

student_net = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
optimizer = torch.optim.Adam(student_net.parameters(), lr=2e-3)
T = 3.0
for epoch in range(1, 31):
    for b in tr[torch.randperm(len(tr))].split(64):
        with torch.no_grad():
            teacher = F.softmax(teacher_net(X[b]) / T, dim=1)
        student = F.log_softmax(student_net(X[b]) / T, dim=1)  #@ student = F.softmax(student_net(X[b]) / T, dim=1)
        loss_kd = F.kl_div(student, teacher, reduction='batchmean') * T * T
        optimizer.zero_grad()
        loss_kd.backward()
        optimizer.step()
    if epoch % 5 == 0:
        with torch.no_grad():
            zs, zt = student_net(X[te]), teacher_net(X[te])
            kl = (zt.softmax(1) * (zt.log_softmax(1) - zs.log_softmax(1))).sum(1).mean().item()
            nll = F.cross_entropy(zs, y[te]).item()
            acc = (zs.argmax(1) == y[te]).float().mean().item()
        print(f"epoch {epoch} loss_kd {loss_kd.item():.4f} test: KL to teacher {kl:.4f} nll {nll:.4f} acc {acc:.3f}")
