"""Mean teacher with fewer labels: one of the two networks has no gradient and no optimizer, on purpose."""
import copy

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn

torch.manual_seed(0)
x, y = load_digits(return_X_y=True)
x, y = torch.tensor(x / 16, dtype=torch.float32), torch.tensor(y)
LABELLED = 400
student = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Dropout(0.2), nn.Linear(128, 10))
teacher = copy.deepcopy(student).requires_grad_(False).eval()
opt = torch.optim.Adam(student.parameters(), lr=2e-3)
for step in range(600):
    few = torch.randint(0, LABELLED, (32,))
    many = torch.randint(0, 1500, (64,))
    supervised = F.cross_entropy(student(x[few] + 0.1 * torch.randn(32, 64)), y[few])
    with torch.no_grad():
        target = teacher(x[many]).softmax(1)
    consistency = (student(x[many] + 0.1 * torch.randn(64, 64)).softmax(1) - target).pow(2).sum(1).mean()
    loss = supervised + min(1.0, step / 200) * consistency
    opt.zero_grad()
    loss.backward()
    opt.step()
    with torch.no_grad():
        for t, s in zip(teacher.parameters(), student.parameters()):
            t.lerp_(s, 0.02)
    if step % 150 == 149:
        print(step + 1, f'{loss.item():.3f}', 'teacher', (teacher(x[1500:]).argmax(1) == y[1500:]).float().mean().item())
