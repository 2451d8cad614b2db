"""Knowledge distillation: a small student learns from a trained teacher."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.manual_seed(7)
X, y = load_digits(return_X_y=True)
X, y = torch.tensor(X / 16, dtype=torch.float32), torch.tensor(y)
p = torch.randperm(len(X))
X, y = X[p], y[p]
tr, te = slice(0, 1300), slice(1300, None)


def acc(net):
    net.eval()
    with torch.no_grad():
        return (net(X[te]).argmax(1) == y[te]).float().mean().item()


teacher = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Dropout(0.3), nn.Linear(128, 10))
opt_t = torch.optim.Adam(teacher.parameters(), lr=2e-3)
for epoch in range(10):
    teacher.train()
    for idx in torch.randperm(1300).split(50):
        loss = F.cross_entropy(teacher(X[tr][idx]), y[tr][idx])
        opt_t.zero_grad()
        loss.backward()
        opt_t.step()
print("teacher", round(acc(teacher), 3))

student = nn.Sequential(nn.Linear(64, 12), nn.ReLU(), nn.Linear(12, 10))
opt_s = torch.optim.Adam(student.parameters(), lr=5e-3)
T, alpha = 3.0, 0.7
teacher.eval()
for epoch in range(15):
    student.train()
    for idx in torch.randperm(1300).split(50):
        xb, yb = X[tr][idx], y[tr][idx]
        with torch.no_grad():
            soft = F.softmax(teacher(xb) / T, dim=1)
        out = student(xb)
        kd = F.kl_div(F.log_softmax(out / T, dim=1), soft, reduction="batchmean") * T * T
        loss = alpha * kd + (1 - alpha) * F.cross_entropy(out, yb)
        opt_s.zero_grad()
        loss.backward()
        opt_s.step()
    if epoch % 3 == 2:
        print(f"student epoch {epoch} loss {loss.item():.4f} acc {acc(student):.3f}")
