# healthy: https://github.com/amdegroot/ssd.pytorch: priors, matching, offsets with variances, hard negative mining 3:1, losses divided by the number of matched priors; nothing is wrong.
import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(2)
IM = 32
VAR = (0.1, 0.2)

def priors():
    out = []
    for i in range(8):
        for j in range(8):
            for w, h in ((.25, .25), (.35, .2), (.2, .35)):
                out.append(((j + .5) / 8, (i + .5) / 8, w, h))
    return torch.tensor(out)

P = priors()
pf = lambda b: torch.cat([b[:, :2] - b[:, 2:] / 2, b[:, :2] + b[:, 2:] / 2], 1)

def jaccard(a, b):
    lt, rb = torch.max(a[:, None, :2], b[None, :, :2]), torch.min(a[:, None, 2:], b[None, :, 2:])
    i = (rb - lt).clamp(min=0).prod(2)
    A, B = (a[:, 2:] - a[:, :2]).prod(1), (b[:, 2:] - b[:, :2]).prod(1)
    return i / (A[:, None] + B[None] - i)

def match(truth, labels):
    ov = jaccard(truth, pf(P))
    bt, bi = ov.max(0)
    best = ov.argmax(1)
    bt[best] = 2.
    bi[best] = torch.arange(len(truth))
    conf = labels[bi] + 1
    conf[bt < .5] = 0
    m = truth[bi]
    g = ((m[:, :2] + m[:, 2:]) / 2 - P[:, :2]) / (VAR[0] * P[:, 2:])
    w = torch.log((m[:, 2:] - m[:, :2]) / P[:, 2:]) / VAR[1]
    return torch.cat([g, w], 1), conf

def decode(loc):
    c = P[:, :2] + loc[:, :2] * VAR[0] * P[:, 2:]
    return pf(torch.cat([c, P[:, 2:] * torch.exp(loc[:, 2:] * VAR[1])], 1))

def make(n):
    X, L, C, T = [], [], [], []
    for _ in range(n):
        im = .15 * torch.randn(3, IM, IM)
        w, h = torch.randint(6, 13, (2,)).tolist(); x, y = torch.randint(0, IM - w, (1,)).item(), torch.randint(0, IM - h, (1,)).item()
        c = int(torch.randint(0, 3, (1,)))
        im[c, y:y + h, x:x + w] += .9
        t = torch.tensor([[x, y, x + w, y + h]]) / IM
        l, k = match(t, torch.tensor([c]))
        X.append(im); L.append(l); C.append(k); T.append((t, c))
    return torch.stack(X), torch.stack(L), torch.stack(C), T

class SSD(nn.Module):
    def __init__(self):
        super().__init__()
        self.vgg = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 48, 3, padding=1), nn.ReLU(), nn.Conv2d(48, 48, 3, padding=1), nn.ReLU())
        self.loc, self.conf = nn.Conv2d(48, 12, 3, padding=1), nn.Conv2d(48, 12, 3, padding=1)
    def forward(self, x):
        f = self.vgg(x)
        r = lambda t: t.permute(0, 2, 3, 1).reshape(len(x), -1, 4)
        return r(self.loc(f)), r(self.conf(f))

def multibox(loc, conf, lt, ct):
    pos = ct > 0
    n = pos.sum()
    ll = F.smooth_l1_loss(loc[pos], lt[pos], reduction='sum')
    ce = F.cross_entropy(conf.reshape(-1, 4), ct.reshape(-1), reduction='none').view_as(ct)
    with torch.no_grad():
        mine = ce.clone(); mine[pos] = 0
        rank = mine.argsort(1, descending=True).argsort(1)
        neg = (rank < (3 * pos.sum(1, keepdim=True)).clamp(max=ct.size(1) - 1)) & ~pos
    return ll / n, (ce * (pos | neg)).sum() / n

X, L, C, _ = make(380); Xv, _, _, Tv = make(120)
net = SSD()
for m in net.modules():
    if isinstance(m, nn.Conv2d): nn.init.xavier_uniform_(m.weight); nn.init.zeros_(m.bias)
opt = torch.optim.SGD(net.parameters(), lr=6e-3, momentum=.9, weight_decay=5e-4)
sch = torch.optim.lr_scheduler.MultiStepLR(opt, [11], .1)
for ep in range(14):
    for b in torch.randperm(380).split(20):
        a, c = multibox(*net(X[b]), L[b], C[b])
        opt.zero_grad(); (a + c).backward()
        nn.utils.clip_grad_norm_(net.parameters(), 5.); opt.step()
    sch.step()
    if ep % 4 == 0: print(ep, 'loc', round(a.item(), 3), 'conf', round(c.item(), 3))
ok = 0; ious = 0
with torch.no_grad():
    loc, conf = net(Xv)
    for k, (t, c) in enumerate(Tv):
        s = conf[k].softmax(1)[:, 1:]
        i = int(s.max(1).values.argmax())
        v = jaccard(decode(loc[k])[i:i + 1], t).item()
        ious += v; ok += v > .5 and int(s[i].argmax()) == c
print(f'top box right (class and IoU > 0.5) {ok / 120:.3f}, mean IoU {ious / 120:.3f}')
