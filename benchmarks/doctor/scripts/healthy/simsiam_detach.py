import torch, torch.nn as nn, torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
torch.manual_seed(0)
d = load_digits(); X = torch.tensor(d.data / 16, dtype=torch.float32)
aug = lambda x: x * (torch.rand_like(x) > .25) + .15 * torch.randn_like(x)
f = nn.Sequential(nn.Linear(64, 96), nn.BatchNorm1d(96), nn.ReLU(), nn.Linear(96, 32), nn.BatchNorm1d(32, affine=False))
h = nn.Sequential(nn.Linear(32, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Linear(12, 32))
opt = torch.optim.SGD([*f.parameters(), *h.parameters()], lr=.1, momentum=.9, weight_decay=1e-4)
D = lambda p, z: -F.cosine_similarity(p, z.detach(), dim=1).mean()
for ep in range(12):
    for i in torch.randperm(1500).split(125):
        z1, z2 = f(aug(X[i])), f(aug(X[i]))
        loss = .5 * D(h(z1), z2) + .5 * D(h(z2), z1)
        opt.zero_grad(); loss.backward(); opt.step()
f.eval()
with torch.no_grad(): z = f(X)
std = F.normalize(z, dim=1).std(0).mean().item() * 32 ** .5
clf = LogisticRegression(max_iter=300).fit(z[:200].numpy(), d.target[:200])
print('loss %.3f, spread of the embedding %.2f, linear probe %.3f' % (loss.item(), std, clf.score(z[1500:].numpy(), d.target[1500:])))
