#= labels_unfit
# https://github.com/jaredleekatzman/DeepSurv/issues/40 - the cumulative sum needs subjects in descending time; sorted ascending it sums over those who already left, not over those at risk. Right: argsort(descending=True).
import torch
import torch.nn as nn
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import StandardScaler

torch.manual_seed(4); rs = np.random.RandomState(4)
X = StandardScaler().fit_transform(load_breast_cancer().data)[:, :8].astype(np.float32)
beta = np.array([1.2, -0.8, 0, 0, 0.6, 0, -0.9, 0.4])
T = rs.exponential(np.exp(-X @ beta))
C = rs.exponential(3.0, len(X))
time = torch.tensor(np.minimum(T, C), dtype=torch.float32)
event = torch.tensor((T <= C).astype(np.float32))
X = torch.from_numpy(X)


def neg_partial_ll(risk, t, e):
    order = torch.argsort(t, descending=True)  #@ order = torch.argsort(t)
    risk, e = risk[order], e[order]
    log_cum = torch.logcumsumexp(risk, 0)
    return -((risk - log_cum) * e).sum() / e.sum()


def concordance(risk, t, e):
    num = den = 0
    for i in range(len(t)):
        if e[i]:
            later = t > t[i]
            den += later.sum().item()
            num += (risk[i] > risk[later]).sum().item()
    return num / den


net = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 1))
opt = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
for epoch in range(40):
    perm = torch.randperm(400)
    for b in perm.split(100):
        loss = neg_partial_ll(net(X[b]).squeeze(1), time[b], event[b])
        opt.zero_grad(); loss.backward(); opt.step()
with torch.no_grad():
    print('c-index on held-out', round(concordance(net(X[400:]).squeeze(1), time[400:], event[400:]), 3))
