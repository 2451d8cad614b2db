# healthy: https://github.com/AberHu/Knowledge-Distillation-Zoo (FitNets): stage 1 hint regression into a frozen teacher's middle layer, stage 2 ordinary training at a lower rate; nothing is wrong.
import torch
from torch import nn
from sklearn.datasets import load_digits

torch.manual_seed(99)
digits = load_digits()
x = torch.as_tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 16.
y = torch.as_tensor(digits.target)
n = 1300

def block(i, o, s=1): return nn.Sequential(nn.Conv2d(i, o, 3, s, 1, bias=False), nn.BatchNorm2d(o), nn.ReLU())

class Net(nn.Module):
    def __init__(self, w):
        super().__init__()
        self.low = nn.Sequential(block(1, w), block(w, 2 * w, 2))
        self.high = nn.Sequential(block(2 * w, 2 * w, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2 * w, 10))
    def forward(self, x):
        h = self.low(x)
        return h, self.high(h)

def loop(params, lr, epochs, fn, nets):
    o = torch.optim.Adam(params, lr=lr)
    for _ in range(epochs):
        for net in nets: net.train()
        for b in torch.randperm(n).split(65):
            l = fn(x[b], y[b])
            o.zero_grad(); l.backward(); o.step()
    return l.item()

@torch.no_grad()
def acc(net):
    net.eval()
    return (net(x[n:])[1].argmax(1) == y[n:]).float().mean().item()

T, S = Net(24), Net(6)
ce = nn.CrossEntropyLoss()
loop(T.parameters(), 3e-3, 7, lambda a, b: ce(T(a)[1], b), [T])
print('teacher', acc(T))
T.requires_grad_(False).eval()
regressor = nn.Conv2d(12, 48, 1)
hint = loop([*S.low.parameters(), *regressor.parameters()], 3e-3, 6, lambda a, b: nn.functional.mse_loss(regressor(S.low(a)), T.low(a)), [S])
print('hint loss', round(hint, 4))
last = loop(S.parameters(), 2e-3, 16, lambda a, b: ce(S(a)[1], b), [S])
print('student', round(acc(S), 4), 'train loss', round(last, 4))
