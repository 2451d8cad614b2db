import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.manual_seed(0)
d = load_digits()
x, y = torch.tensor(d.data / 16.0).float(), torch.tensor(d.target)
p = torch.randperm(len(y))
tr, te = p[:1300], p[1300:]


def acc(m):
    m.eval()
    with torch.no_grad():
        return (m(x[te]).argmax(1) == y[te]).float().mean().item()


teacher = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Dropout(0.3), nn.Linear(256, 10))
opt = torch.optim.Adam(teacher.parameters(), lr=1e-3)
for _ in range(25):
    teacher.train()
    for b in tr[torch.randperm(len(tr))].split(64):
        loss = F.cross_entropy(teacher(x[b]), y[b])
        opt.zero_grad()
        loss.backward()
        opt.step()
print("teacher", acc(teacher))

teacher.eval().requires_grad_(False)
student = nn.Sequential(nn.Linear(64, 24), nn.ReLU(), nn.Linear(24, 10))
opt = torch.optim.Adam(student.parameters(), lr=3e-3)
T, alpha = 4.0, 0.9
for epoch in range(30):
    student.train()
    for b in tr[torch.randperm(len(tr))].split(64):
        s, t = student(x[b]), teacher(x[b])
        soft = F.kl_div(F.log_softmax(s / T, 1), F.log_softmax(t / T, 1), log_target=True, reduction="batchmean") * T * T
        loss = alpha * soft + (1 - alpha) * F.cross_entropy(s, y[b])
        opt.zero_grad()
        loss.backward()
        opt.step()
    if epoch % 6 == 5:
        print(f"epoch {epoch+1} loss {loss.item():.4f} student {acc(student):.4f}")
