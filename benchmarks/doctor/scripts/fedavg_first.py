#= data_changed_in_place
#: https://github.com/OpenMined/PySyft/issues/3613 (and 3863) ; the average is built in models[0] without a copy and starts from its non-zero weights, so the sum counts client 0 twice and divides wrongly; diagnosis: federated average is not the mean.
import copy, torch, torch.nn as nn, torch.nn.functional as F
from sklearn.datasets import load_breast_cancer
torch.manual_seed(1)

def federated_avg(models):
    n = len(models)
    model = copy.deepcopy(models[0])  #@ model = models[0]
    with torch.no_grad():
        for p in model.parameters():
            p.set_(torch.zeros_like(p))  #@ pass
        for i in range(n):
            for p, q in zip(model.parameters(), models[i].parameters()):
                p.add_(q / n)
    return model

d = load_breast_cancer(); X = torch.tensor(d.data).float(); y = torch.tensor(d.target)
r = torch.randperm(569); X, y = X[r], y[r]; X = (X - X[:420].mean(0)) / X[:420].std(0)
parts = torch.arange(420).split(105)
net = nn.Sequential(nn.Linear(30, 24), nn.ReLU(), nn.Linear(24, 2))
for rnd in range(20):
    local = []
    for idx in parts:
        m = copy.deepcopy(net); o = torch.optim.SGD(m.parameters(), lr=.05)
        for b in idx[torch.randperm(105)].split(21):
            o.zero_grad(); F.cross_entropy(m(X[b]), y[b]).backward(); o.step()
        local.append(m)
    net = federated_avg(local)
    if rnd % 5 == 0:
        with torch.no_grad(): print('round', rnd, 'train loss', F.cross_entropy(net(X[:420]), y[:420]).item(), 'weight norm', sum(p.norm() ** 2 for p in net.parameters()).sqrt().item())
with torch.no_grad():
    o = net(X[420:]); print('test acc %.3f loss %.3f' % ((o.argmax(1) == y[420:]).float().mean(), F.cross_entropy(o, y[420:]).item()))
