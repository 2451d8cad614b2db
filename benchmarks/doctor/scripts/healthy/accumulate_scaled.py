import torch, torch.nn as nn
from sklearn.datasets import load_wine
from sklearn.preprocessing import scale
torch.manual_seed(0)
X, y = load_wine(return_X_y=True)
X, y = torch.tensor(scale(X), dtype=torch.float32), torch.tensor(y)
p = torch.randperm(len(y)); tr, te = p[:130], p[130:]
net = nn.Sequential(nn.Linear(13, 24), nn.ReLU(), nn.Linear(24, 3))
opt = torch.optim.SGD(net.parameters(), lr=.1, momentum=.9)
MICRO, ACC = 5, 4
step = 0
opt.zero_grad()
for epoch in range(14):
    micro = tr[torch.randperm(len(tr))].split(MICRO)
    for k, i in enumerate(micro, 1):
        group = min(ACC, len(micro) - (k - 1) // ACC * ACC)
        (nn.functional.cross_entropy(net(X[i]), y[i]) / group).backward()
        if k % ACC == 0 or k == len(micro):
            opt.step(); opt.zero_grad(); step += 1
with torch.no_grad(): print('optimizer steps', step, 'test accuracy %.3f' % (net(X[te]).argmax(1) == y[te]).float().mean().item())
