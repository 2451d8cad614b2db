import copy, torch, torch.nn as nn, torch.nn.functional as F
from sklearn.datasets import load_digits
torch.manual_seed(2)
d = load_digits(); X = torch.tensor(d.images).float()[:, None] / 16; Y = torch.tensor(d.target); p = torch.randperm(1797); X, Y = X[p], Y[p]
te = slice(1400, 1797); lab = torch.cat([(Y[:1400] == c).nonzero()[:8, 0] for c in range(10)]); unl = torch.arange(1400)
def weak(x): s = torch.randint(-1, 2, (1,)).item(); return torch.roll(x, s, 3) if torch.rand(1) < .3 else x
def strong(x): x = x + .25 * torch.randn_like(x); r, c = torch.randint(0, 6, (2,)); x = x.clone(); x[:, :, r:r + 3, c:c + 3] = 0; return x
net = nn.Sequential(nn.Conv2d(1, 24, 3, padding=1), nn.BatchNorm2d(24), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(24, 48, 3, padding=1), nn.BatchNorm2d(48), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(192, 10))
ema = copy.deepcopy(net).eval(); opt = torch.optim.SGD(net.parameters(), lr=.03, momentum=.9, nesterov=True, weight_decay=5e-4); N = 240
sch = torch.optim.lr_scheduler.LambdaLR(opt, lambda s: __import__('math').cos(7 * 3.14159 * s / (16 * N)))
for it in range(N):
    lb = lab[torch.randint(80, (32,))]; ub = unl[torch.randint(1400, (128,))]
    lg = net(torch.cat([weak(X[lb]), weak(X[ub]), strong(X[ub])])); lx, lw, ls = lg.split([32, 128, 128])
    ps, tgt = F.softmax(lw.detach(), -1).max(-1); mask = ps.ge(.95).float()
    loss = F.cross_entropy(lx, Y[lb]) + (F.cross_entropy(ls, tgt, reduction='none') * mask).mean()
    opt.zero_grad(); loss.backward(); opt.step(); sch.step()
    with torch.no_grad():
        for e, q in zip(ema.parameters(), net.parameters()): e.mul_(.98).add_(q, alpha=.02)
        for e, q in zip(ema.buffers(), net.buffers()): e.copy_(q)
net.eval()
with torch.no_grad(): print('mask %.2f  test acc: net %.3f ema %.3f (80 labels)' % (mask.mean(), (net(X[te]).argmax(1) == Y[te]).float().mean(), (ema(X[te]).argmax(1) == Y[te]).float().mean()))
