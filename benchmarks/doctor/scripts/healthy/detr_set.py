# healthy: https://github.com/facebookresearch/detr: object queries, Hungarian matching without gradient, "no object" class weighted 0.1, points instead of boxes; nothing is wrong.
import torch
import torch.nn as nn
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment

torch.manual_seed(5)
Q, NCLS, S = 6, 2, 16

def batch(n):
    x = .1 * torch.randn(n, 1, S, S)
    tgt = []
    for k in range(n):
        m = int(torch.randint(1, 4, (1,))); cs, ps = [], []
        for _ in range(m):
            i, j = torch.randint(1, S - 1, (2,)).tolist(); c = int(torch.randint(0, 2, (1,)))
            if any(abs(i - a) < 4 and abs(j - b) < 4 for a, b in ps): continue
            if c == 0: x[k, 0, i - 1:i + 2, j - 1:j + 2] = 1.
            else: x[k, 0, i - 1:i + 2, j] = 1.; x[k, 0, i, j - 1:j + 2] = -1.
            ps.append((i, j)); cs.append(c)
        tgt.append({'labels': torch.tensor(cs), 'points': torch.tensor(ps).float() / S})
    return x, tgt

class DETR(nn.Module):
    def __init__(self, d=48):
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(1, 24, 3, padding=1), nn.ReLU(), nn.Conv2d(24, d, 3, 2, 1), nn.ReLU())
        self.pos = nn.Parameter(torch.randn(64, d) * .3)
        self.query = nn.Parameter(torch.randn(Q, d))
        layer = nn.TransformerDecoderLayer(d, 4, 96, dropout=0., batch_first=True, norm_first=True)
        self.dec = nn.TransformerDecoder(layer, 2, nn.LayerNorm(d))
        self.cls, self.pt = nn.Linear(d, NCLS + 1), nn.Sequential(nn.Linear(d, d), nn.ReLU(), nn.Linear(d, 2))
    def forward(self, x):
        m = self.backbone(x).flatten(2).transpose(1, 2) + self.pos
        h = self.dec(self.query.expand(len(x), -1, -1), m)
        return self.cls(h), self.pt(h).sigmoid()

@torch.no_grad()
def matcher(logits, pts, tgt):
    prob = logits.softmax(-1); out = []
    for p, q, t in zip(prob, pts, tgt):
        cost = 5 * torch.cdist(q, t['points'], p=1) - p[:, t['labels']]
        r, c = linear_sum_assignment(cost.numpy())
        out.append((torch.as_tensor(r), torch.as_tensor(c)))
    return out

weight = torch.tensor([1., 1., .1])
def criterion(logits, pts, tgt):
    idx = matcher(logits, pts, tgt)
    cls = torch.full(logits.shape[:2], NCLS)
    num = max(sum(len(t['labels']) for t in tgt), 1)
    lp = 0.
    for k, (r, c) in enumerate(idx):
        cls[k, r] = tgt[k]['labels'][c]
        lp = lp + F.l1_loss(pts[k, r], tgt[k]['points'][c], reduction='sum')
    return F.cross_entropy(logits.transpose(1, 2), cls, weight), lp / num

net = DETR()
opt = torch.optim.AdamW([{'params': net.backbone.parameters(), 'lr': 1e-3}, {'params': [p for n, p in net.named_parameters() if not n.startswith('backbone')], 'lr': 2e-3}], weight_decay=1e-4)
sch = torch.optim.lr_scheduler.LambdaLR(opt, lambda s: min(1, (s + 1) / 30) * (1 if s < 330 else .1))
for it in range(420):
    x, t = batch(32)
    lc, lp = criterion(*net(x), t)
    opt.zero_grad(); (lc + 5 * lp).backward()
    nn.utils.clip_grad_norm_(net.parameters(), .5); opt.step(); sch.step()
    if it % 100 == 0: print(it, 'class', round(lc.item(), 3), 'point', round(lp.item(), 4))
net.eval()
with torch.no_grad():
    x, t = batch(300); lo, pt = net(x)
idx = matcher(lo, pt, t)
good = sum(((pt[k, r] - t[k]['points'][c]).abs().sum(1) * S < 1.5).logical_and(lo[k, r].argmax(1) == t[k]['labels'][c]).sum().item() for k, (r, c) in enumerate(idx))
n = sum(len(a['labels']) for a in t)
print(f'objects found with the right class within 1.5 pixels {good / n:.3f}; predicted {(lo.argmax(-1) < NCLS).sum().item()} of {n}')
