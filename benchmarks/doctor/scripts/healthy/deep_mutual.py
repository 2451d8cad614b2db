# healthy: https://github.com/YingZhangDUT/Deep-Mutual-Learning: two peers taught together, each by its own optimizer, the other's softmax detached; nothing is wrong.
import numpy as np, torch, torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.manual_seed(6)
rs = np.random.RandomState(6)
X, y = load_digits(return_X_y=True)
X = (X / 16).astype(np.float32)
idx = rs.permutation(len(X)); cut = 900
Xtr, ytr = torch.from_numpy(X[idx[:cut]]), torch.from_numpy(y[idx[:cut]])
Xte, yte = torch.from_numpy(X[idx[cut:]]), torch.from_numpy(y[idx[cut:]])

class Average:
    def __init__(self): self.s = self.n = 0
    def update(self, v, n=1): self.s += v * n; self.n += n
    @property
    def avg(self): return self.s / self.n

def build(k):
    if k == 0:
        return nn.Sequential(nn.Linear(64, 100), nn.ReLU(), nn.Dropout(.2), nn.Linear(100, 10))
    return nn.Sequential(nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(256, 10))

models = [build(i) for i in range(2)]
optimizers = [torch.optim.SGD(m.parameters(), lr=.05, momentum=.9, nesterov=True) for m in models]
schedulers = [torch.optim.lr_scheduler.StepLR(o, step_size=14, gamma=.1) for o in optimizers]
kl = nn.KLDivLoss(reduction='batchmean')
for epoch in range(20):
    meters = [Average(), Average()]
    for m in models: m.train()
    for b in torch.randperm(cut).split(50):
        outs = [m(Xtr[b]) for m in models]
        losses = []
        for i in range(2):
            ce = F.cross_entropy(outs[i], ytr[b])
            other = F.softmax(outs[1 - i], dim=1).detach()
            losses.append(ce + kl(F.log_softmax(outs[i], dim=1), other))
            meters[i].update(losses[i].item(), len(b))
        for i in range(2):
            optimizers[i].zero_grad()
            losses[i].backward()
            optimizers[i].step()
    for s in schedulers: s.step()
    if epoch % 5 == 4: print(epoch + 1, [round(m.avg, 4) for m in meters])
for m in models: m.eval()
with torch.no_grad():
    print('accuracy of the two peers', [round((m(Xte).argmax(1) == yte).float().mean().item(), 4) for m in models])
