# PointNet classification: input transform, feature transform with orthogonality penalty, jitter + rotation about the up axis, BN momentum decay
import math, torch, torch.nn as nn, torch.nn.functional as F
torch.manual_seed(0)
P = 96
def shape(k, n=P):
    u, v = torch.rand(n), torch.rand(n) * 2 * math.pi; z = 2 * u - 1
    if k == 0: r = (1 - z ** 2).clamp(min=0).sqrt(); pts = torch.stack([r * v.cos(), r * v.sin(), z], 1)
    elif k == 1: pts = torch.stack([v.cos(), v.sin(), z], 1)
    elif k == 2: r = (1 - z) / 2; pts = torch.stack([r * v.cos(), r * v.sin(), z], 1)
    else:
        pts = torch.rand(n, 3) * 2 - 1; f = torch.randint(3, (n,)); pts[torch.arange(n), f] = torch.randint(2, (n,)).float() * 2 - 1
    pts = pts * (torch.rand(1, 3) * .4 + .8); pts = pts - pts.mean(0); return pts / pts.norm(dim=1).max()
def dataset(n): y = torch.arange(n) % 4; return torch.stack([shape(int(k)) for k in y]), y
def augment(x):
    th = torch.rand(len(x)) * 2 * math.pi; c, s, o, z = th.cos(), th.sin(), torch.ones_like(th), torch.zeros_like(th)
    R = torch.stack([c, -s, z, s, c, z, z, z, o], 1).view(-1, 3, 3)
    return x @ R.transpose(1, 2) + (.01 * torch.randn_like(x)).clamp(-.05, .05)
def mlp(*d): return nn.Sequential(*[m for a, b in zip(d, d[1:]) for m in (nn.Conv1d(a, b, 1), nn.BatchNorm1d(b), nn.ReLU())])
class TNet(nn.Module):
    def __init__(s, k): super().__init__(); s.k, s.c, s.f = k, mlp(k, 32, 64), nn.Sequential(nn.Linear(64, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, k * k)); nn.init.zeros_(s.f[-1].weight); nn.init.zeros_(s.f[-1].bias)
    def forward(s, x): return s.f(s.c(x).amax(2)).view(-1, s.k, s.k) + torch.eye(s.k)
class PointNet(nn.Module):
    def __init__(s, c=4): super().__init__(); s.t3, s.m1, s.t16, s.m2 = TNet(3), mlp(3, 16), TNet(16), mlp(16, 32, 96); s.head = nn.Sequential(nn.Linear(96, 48), nn.BatchNorm1d(48), nn.ReLU(), nn.Dropout(.3), nn.Linear(48, c))
    def forward(s, x):
        x = x.transpose(1, 2); x = torch.bmm(s.t3(x).transpose(1, 2), x); x = s.m1(x)
        T = s.t16(x); x = torch.bmm(T.transpose(1, 2), x); return s.head(s.m2(x).amax(2)), T
def reg(T): return (torch.bmm(T, T.transpose(1, 2)) - torch.eye(T.size(1))).norm(dim=(1, 2)).mean()
X, Y = dataset(480); Xt, Yt = dataset(160)
net = PointNet(); opt = torch.optim.Adam(net.parameters(), lr=2e-3); sch = torch.optim.lr_scheduler.StepLR(opt, 5, .6)
for ep in range(14):
    net.train(); m = max(.5 * .6 ** (ep // 3), .02)
    for mod in net.modules():
        if isinstance(mod, nn.BatchNorm1d): mod.momentum = m
    for b in torch.randperm(480).split(32):
        out, T = net(augment(X[b])); loss = F.cross_entropy(out, Y[b]) + 1e-3 * reg(T); opt.zero_grad(); loss.backward(); opt.step()
    sch.step()
net.eval()
with torch.no_grad(): votes = sum(net(augment(Xt))[0].softmax(1) for _ in range(5))
print(f"loss {loss.item():.3f} test accuracy (5 votes) {(votes.argmax(1) == Yt).float().mean():.3f}")
