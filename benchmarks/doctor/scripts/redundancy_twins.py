#= axes_scrambled
# https://github.com/SSARCandy/DeepCORAL/issues/16 (mean over dim 1 in a covariance) and https://github.com/facebookresearch/vicreg/issues/25 the normalisation before the cross-correlation uses dim=1, so each sample instead of each feature is standardised and a constant code is a solution; right diagnosis: wrong axis in the statistics, representation collapses.
import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
torch.manual_seed(0)
dig = load_digits()
im = torch.tensor(dig.images, dtype=torch.float32) / 16

def aug(b):
    b = b + 0.25 * torch.randn_like(b)
    return b * (torch.rand_like(b) > 0.25)

enc = nn.Sequential(nn.Flatten(), nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 24))
proj = nn.Sequential(nn.Linear(24, 64), nn.ReLU(), nn.Linear(64, 24))
opt = torch.optim.Adam([*enc.parameters(), *proj.parameters()], lr=2e-3)

def standardise(z):
    return (z - z.mean(0, keepdim=True)) / (z.std(0, keepdim=True) + 1e-5)  #@ return (z - z.mean(1, keepdim=True)) / (z.std(1, keepdim=True) + 1e-5)

for step in range(500):
    b = im[torch.randint(0, 1400, (128,))]
    za, zb = standardise(proj(enc(aug(b)))), standardise(proj(enc(aug(b))))
    c = za.T @ zb / len(b)
    on = (torch.diagonal(c) - 1).pow(2).sum()
    off = c.pow(2).sum() - torch.diagonal(c).pow(2).sum()
    loss = on + 0.02 * off
    opt.zero_grad(); loss.backward(); opt.step()

with torch.no_grad():
    f = enc(im)
    f = (f / f.norm(dim=1, keepdim=True)).numpy()
clf = LogisticRegression(max_iter=300).fit(f[:700], dig.target[:700])
with torch.no_grad():
    s = torch.linalg.svdvals(proj(enc(im)) - proj(enc(im)).mean(0))
    pr = (s / s.sum()); rank = torch.exp(-(pr * pr.clamp(min=1e-9).log()).sum()).item()
print("linear probe %.3f, effective rank %.1f" % (clf.score(f[1400:], dig.target[1400:]), rank))
