#= evaluation_wrong
#: https://github.com/FenTechSolutions/CausalDiscoveryToolbox/issues/38 ; accuracy compares raw logits with 0.5 instead of 0 (or the sigmoid with 0.5); diagnosis: metric thresholds logits.
import numpy as np, torch
from torch import nn
rs = np.random.RandomState(0); torch.manual_seed(0)

def make_pair(n=60):
    x = rs.randn(n) if rs.rand() < .5 else rs.rand(n) * 3 - 1.5
    y = np.tanh(1.5 * x) + .34 * rs.randn(n)
    a, b = (x - x.mean()) / x.std(), (y - y.mean()) / y.std()
    return (a, b, 1.) if rs.rand() < .5 else (b, a, 0.)

def dataset(n):
    t = [make_pair() for _ in range(n)]
    return torch.tensor(np.array([[p[0], p[1]] for p in t]), dtype=torch.float32), torch.tensor([p[2] for p in t])

class NCC(nn.Module):
    def __init__(self, h=32):
        super().__init__()
        self.conv = nn.Sequential(nn.Conv1d(2, h, 1), nn.ReLU(), nn.Conv1d(h, h, 1), nn.ReLU())
        self.dense = nn.Sequential(nn.Linear(h, h), nn.ReLU(), nn.Linear(h, 1))
    def forward(self, x):
        return self.dense(self.conv(x).mean(2)).squeeze(1)

def accuracy(out, lab):
    return ((out > 0).float() == lab).float().mean().item()  #@ return ((out > .5).float() == lab).float().mean().item()

xtr, ytr = dataset(900); xte, yte = dataset(300)
net = NCC(); criterion = nn.BCEWithLogitsLoss(); optim = torch.optim.RMSprop(net.parameters(), 2e-3)
for epoch in range(18):
    net.train()
    for idx in torch.randperm(900).split(45):
        optim.zero_grad()
        criterion(net(xtr[idx]), ytr[idx]).backward()
        optim.step()
net.eval()
with torch.no_grad():
    o = net(xte)
    print('test loss', round(criterion(o, yte).item(), 4), 'accuracy', round(accuracy(o, yte), 4), 'train accuracy', round(accuracy(net(xtr), ytr), 4))
