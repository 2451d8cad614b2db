#= gradient_zero
#: https://github.com/jonasgrebe/pt-femb-face-embeddings/issues/3 ; theta = acos(logits).clamp(-1, 1) clamps the angle (0..pi) instead of the cosine, so all angles above 1 rad get zero gradient; diagnosis: clamp the argument of acos.
import torch, torch.nn as nn, torch.nn.functional as F
from sklearn.datasets import load_digits
torch.manual_seed(0)
dig = load_digits(); X = torch.tensor(dig.images).float()[:, None] / 8 - 1; Y = torch.tensor(dig.target)
pm = torch.randperm(1797); tr, te = pm[:1200], pm[1200:]
class ArcMarginHeader(nn.Module):
    def __init__(self, nf, nc, s=12., m=.3):
        super().__init__(); self.W = nn.Parameter(torch.empty(nc, nf)); nn.init.xavier_uniform_(self.W); self.s, self.m = s, m
    def cos(self, e): return F.linear(F.normalize(e), F.normalize(self.W))
    def forward(self, e, y):
        logits = self.cos(e)
        theta = torch.acos(logits.clamp(-1 + 1e-6, 1 - 1e-6))  #@ theta = torch.acos(logits).clamp(-1, 1)
        hot = F.one_hot(y, logits.size(1)).float()
        return self.s * torch.cos(theta + self.m * hot)
backbone = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.PReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.PReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(128, 32))
head = ArcMarginHeader(32, 10)
opt = torch.optim.SGD([{'params': backbone.parameters()}, {'params': head.parameters(), 'weight_decay': 5e-4}], lr=.05, momentum=.9)
for ep in range(6):
    backbone.train(); s = 0
    for b in tr[torch.randperm(1200)].split(60):
        l = F.cross_entropy(head(backbone(X[b]), Y[b]), Y[b]); opt.zero_grad(); l.backward(); opt.step(); s += l.item() / 20
    print('ep', ep, 'arc loss', round(s, 3))
backbone.eval()
with torch.no_grad():
    E = F.normalize(backbone(X)); acc = (head.cos(E[te]).argmax(1) == Y[te]).float().mean()
    nn1 = (Y[tr][(E[te] @ E[tr].T).argmax(1)] == Y[te]).float().mean()
print('class acc %.3f  1-nn acc %.3f' % (acc, nn1))
