"""Knowledge distillation: large teacher on digits, tiny student on soft targets."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.manual_seed(64)
d = load_digits()
order = torch.randperm(1797)
X = torch.tensor(d.data / 16., dtype=torch.float32)[order]
Y = torch.tensor(d.target)[order]
Xtr, Ytr, Xte, Yte = X[:1200], Y[:1200], X[1200:], Y[1200:]


def accuracy(net):
    net.eval()
    with torch.no_grad():
        return (net(Xte).argmax(1) == Yte).float().mean().item()


teacher = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Dropout(0.3), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10))
student = nn.Sequential(nn.Linear(64, 12), nn.ReLU(), nn.Linear(12, 10))

opt_t = torch.optim.Adam(teacher.parameters(), lr=1e-3)
for epoch in range(10):
    teacher.train()
    for b in torch.randperm(1200).split(40):
        opt_t.zero_grad()
        F.cross_entropy(teacher(Xtr[b]), Ytr[b]).backward()
        opt_t.step()
print("teacher accuracy", accuracy(teacher))


def distillation_loss(student_logits, teacher_logits, labels, T=4.0, alpha=0.7):
    soft = F.kl_div(F.log_softmax(student_logits / T, dim=1), F.softmax(teacher_logits / T, dim=1), reduction="batchmean")
    return alpha * T * T * soft + (1 - alpha) * F.cross_entropy(student_logits, labels)


teacher.eval()
opt_s = torch.optim.Adam(student.parameters(), lr=5e-3)
for epoch in range(15):
    student.train()
    ep = 0
    for b in torch.randperm(1200).split(40):
        with torch.no_grad():
            t_logits = teacher(Xtr[b])
        loss = distillation_loss(student(Xtr[b]), t_logits, Ytr[b])
        opt_s.zero_grad()
        loss.backward()
        opt_s.step()
        ep += loss.item()
    if epoch % 5 == 4:
        print("student epoch %d loss %.4f accuracy %.4f" % (epoch + 1, ep / 30, accuracy(student)))
