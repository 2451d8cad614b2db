# healthy: https://github.com/haitongli/knowledge-distillation-pytorch: teacher first, then a small student with alpha*T*T*KL(batchmean) + (1-alpha)*CE; nothing is wrong.
from types import SimpleNamespace
import torch, torch.nn as nn, torch.nn.functional as F
from torch.utils.data import TensorDataset, DataLoader
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

params = SimpleNamespace(alpha=0.9, temperature=4., lr=4e-3, epochs=30)
torch.manual_seed(230)
X, Y = load_digits(return_X_y=True)
xa, xb, ya, yb = train_test_split(X / 16, Y, test_size=.3, random_state=1, stratify=Y)
mk = lambda a, b: TensorDataset(torch.tensor(a, dtype=torch.float32), torch.tensor(b))
train_dl, dev_dl = DataLoader(mk(xa, ya), 64, shuffle=True), DataLoader(mk(xb, yb), 256)

class Teacher(nn.Module):
    def __init__(self):
        super().__init__()
        self.c = nn.Sequential(nn.Conv2d(1, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.Conv2d(32, 32, 3, 2, 1), nn.BatchNorm2d(32), nn.ReLU(), nn.Flatten(), nn.Dropout(.3), nn.Linear(512, 10))
    def forward(self, x): return self.c(x.view(-1, 1, 8, 8))

class Student(nn.Module):
    def __init__(self):
        super().__init__()
        self.f = nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))
    def forward(self, x): return self.f(x)

def loss_fn_kd(outputs, labels, teacher_outputs, p):
    T = p.temperature
    return nn.KLDivLoss(reduction='batchmean')(F.log_softmax(outputs / T, dim=1), F.softmax(teacher_outputs / T, dim=1)) * (p.alpha * T * T) + F.cross_entropy(outputs, labels) * (1. - p.alpha)

def evaluate(m):
    m.eval()
    with torch.no_grad():
        return sum((m(x).argmax(1) == y).sum().item() for x, y in dev_dl) / len(dev_dl.dataset)

teacher = Teacher()
opt = torch.optim.Adam(teacher.parameters(), 2e-3)
for _ in range(8):
    teacher.train()
    for x, y in train_dl:
        opt.zero_grad(); F.cross_entropy(teacher(x), y).backward(); opt.step()
print('teacher', round(evaluate(teacher), 4))

student = Student()
opt = torch.optim.Adam(student.parameters(), params.lr)
teacher.eval()
best = 0.
for ep in range(params.epochs):
    student.train()
    for x, y in train_dl:
        with torch.no_grad():
            t = teacher(x)
        loss = loss_fn_kd(student(x), y, t, params)
        opt.zero_grad(); loss.backward(); opt.step()
print('distilled student', round(evaluate(student), 4))
