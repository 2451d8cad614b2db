import torch, torch.nn as nn, torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
torch.manual_seed(0)
d = load_digits(); X = torch.tensor(d.images).float()[:, None] / 16; Y = d.target; tr, te = slice(0, 1300), slice(1300, 1797)
def augment(x):
    n = len(x); a = (torch.rand(n) - .5) * .7; s = .8 + .4 * torch.rand(n); z = torch.zeros(n)
    th = torch.stack([torch.stack([s * a.cos(), -s * a.sin(), (torch.rand(n) - .5) * .4], 1), torch.stack([s * a.sin(), s * a.cos(), (torch.rand(n) - .5) * .4], 1)], 1)
    return F.grid_sample(x, F.affine_grid(th, x.shape, align_corners=False), align_corners=False) + .1 * torch.randn_like(x)
f = nn.Sequential(nn.Conv2d(1, 24, 3, padding=1), nn.BatchNorm2d(24), nn.ReLU(), nn.Conv2d(24, 32, 3, 2, 1), nn.BatchNorm2d(32), nn.ReLU(), nn.Conv2d(32, 48, 3, 2, 1), nn.ReLU(), nn.Flatten())
g = nn.Sequential(nn.Linear(192, 64), nn.ReLU(), nn.Linear(64, 32))
def info_nce_loss(z, temp=.3):
    n = len(z) // 2; lab = torch.cat([torch.arange(n)] * 2); lab = (lab[None] == lab[:, None]).float(); z = F.normalize(z, dim=1); sim = z @ z.T
    mask = torch.eye(2 * n, dtype=torch.bool); lab = lab[~mask].view(2 * n, -1); sim = sim[~mask].view(2 * n, -1)
    logits = torch.cat([sim[lab.bool()].view(2 * n, -1), sim[~lab.bool()].view(2 * n, -1)], 1) / temp
    return F.cross_entropy(logits, torch.zeros(2 * n, dtype=torch.long))
def probe():
    f.eval()
    with torch.no_grad(): E = F.normalize(f(X)).numpy()
    f.train(); return LogisticRegression(max_iter=500, C=10).fit(E[:200], Y[:200]).score(E[te], Y[te])
opt = torch.optim.Adam([*f.parameters(), *g.parameters()], lr=2e-3, weight_decay=1e-5); p0 = probe()
for ep in range(12):
    for b in torch.randperm(1300).split(130):
        x = X[:1300][b]; loss = info_nce_loss(g(f(torch.cat([augment(x), augment(x)])))); opt.zero_grad(); loss.backward(); opt.step()
print('nce loss %.3f linear probe with 200 labels: random encoder %.3f, SimCLR %.3f' % (loss, p0, probe()))
