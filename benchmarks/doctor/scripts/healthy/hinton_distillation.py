# healthy: student sees no labels, the teacher is frozen, log_softmax for the student and softmax for the teacher, T squared
import torch, torch.nn as nn, torch.nn.functional as F
from sklearn.datasets import load_wine
torch.manual_seed(0)
w = load_wine(); x = torch.tensor(w.data, dtype=torch.float32); x = (x - x.mean(0)) / x.std(0); y = torch.tensor(w.target)
p = torch.randperm(178); x, y = x[p], y[p]
T = 3.0
teacher = nn.Sequential(nn.Linear(13, 64), nn.ReLU(), nn.Linear(64, 3))
o = torch.optim.Adam(teacher.parameters(), 5e-3)
for _ in range(80):
    o.zero_grad(); F.cross_entropy(teacher(x[:120]), y[:120]).backward(); o.step()
teacher.eval()
student = nn.Sequential(nn.Linear(13, 6), nn.ReLU(), nn.Linear(6, 3))
o = torch.optim.Adam(student.parameters(), 1e-2)
for _ in range(200):
    z = x[torch.randint(0, 120, (40,))] + 0.3 * torch.randn(40, 13)
    with torch.no_grad():
        target = F.softmax(teacher(z) / T, 1)
    loss = F.kl_div(F.log_softmax(student(z) / T, 1), target, reduction="batchmean") * T * T
    o.zero_grad(); loss.backward(); o.step()
print("student test accuracy %.3f" % (student(x[120:]).argmax(1) == y[120:]).float().mean().item())
