import torch, torch.nn as nn, torch.nn.functional as F
from sklearn.datasets import load_digits
torch.manual_seed(0)
d = load_digits(); X = torch.tensor(d.data / 16, dtype=torch.float32); Y = torch.tensor(d.target)
p = torch.randperm(len(Y)); X, Y = X[p], Y[p]
class Teacher(nn.Sequential):
    def __init__(self): super().__init__(nn.Linear(64, 128), nn.ReLU(), nn.Dropout(.2), nn.Linear(128, 10))
def fit(model, loss_fn, steps, lr):
    opt = torch.optim.Adam([q for q in model.parameters() if q.requires_grad], lr)
    for s in range(steps):
        i = torch.randint(0, 1300, (64,)); loss = loss_fn(model, X[i], Y[i]); opt.zero_grad(); loss.backward(); opt.step()
teacher = Teacher(); fit(teacher, lambda m, x, y: F.cross_entropy(m(x), y), 250, 3e-3)
teacher.eval()
for q in teacher.parameters(): q.requires_grad_(False)
student = nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))
def kd(m, x, y, T=3.):
    s, t = m(x), teacher(x)
    return .7 * T * T * F.kl_div(F.log_softmax(s / T, 1), F.softmax(t / T, 1), reduction='batchmean') + .3 * F.cross_entropy(s, y)
fit(student, kd, 350, 5e-3)
acc = lambda m: (m(X[1300:]).argmax(1) == Y[1300:]).float().mean().item()
print('teacher %.3f student %.3f' % (acc(teacher), acc(student)))
