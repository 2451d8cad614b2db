import torch, torch.nn as nn, torch.nn.functional as F
from sklearn.datasets import load_breast_cancer
torch.manual_seed(0)
d = load_breast_cancer(); X = torch.tensor(d.data).float(); y = torch.tensor(d.target); p = torch.randperm(569); X, y = X[p], y[p]; X = (X - X[:400].mean(0)) / X[:400].std(0); N = 400
net = nn.Sequential(nn.Linear(30, 12), nn.Tanh(), nn.Linear(12, 2)); probs = []; kept = 0
for t in range(2400):
    lr = 2e-4 * (1 + t / 300) ** -.33; i = torch.randint(N, (40,))
    nlp = N * F.cross_entropy(net(X[i]), y[i]) + .5 * sum((w ** 2).sum() for w in net.parameters()) * .5
    net.zero_grad(); nlp.backward()
    with torch.no_grad():
        for w in net.parameters(): w -= .5 * lr * w.grad - lr ** .5 * torch.randn_like(w)
    if t > 800 and t % 20 == 0:
        with torch.no_grad(): probs.append(net(X[400:]).softmax(1)); kept += 1
P = torch.stack(probs).mean(0); single = probs[-1]; nll = lambda q: -q[torch.arange(len(q)), y[400:]].clamp_min(1e-9).log().mean().item()
print('samples %d  accuracy %.3f  nll of the average %.3f  nll of one sample %.3f' % (kept, (P.argmax(1) == y[400:]).float().mean().item(), nll(P), nll(single)))
