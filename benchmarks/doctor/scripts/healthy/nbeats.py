import numpy as np, torch, torch.nn as nn, torch.nn.functional as F
torch.manual_seed(0); rng = np.random.default_rng(0)
# doubly residual stacks: a trend block (polynomials) and a seasonality block (Fourier), then generic ones
BACK, FORE, N = 36, 12, 60
t = np.arange(150)
series = np.stack([rng.uniform(-.03, .05) * t + rng.uniform(.5, 2) * np.sin(2 * np.pi * t / 12 + rng.uniform(0, 6.3)) + rng.uniform(0, .8) * np.sin(2 * np.pi * t / 6 + rng.uniform(0, 6.3)) + .15 * rng.normal(size=150) + 10 for _ in range(N)]).astype("float32")
class Block(nn.Module):
    def __init__(self, kind, units=64):
        super().__init__()
        self.fc = nn.Sequential(nn.Linear(BACK, units), nn.ReLU(), nn.Linear(units, units), nn.ReLU(), nn.Linear(units, units), nn.ReLU())
        tb, tf = np.arange(BACK) / BACK, np.arange(FORE) / BACK + 1
        if kind == "trend": basis = lambda u: np.stack([u ** i for i in range(3)])
        elif kind == "season": basis = lambda u: np.stack([f(2 * np.pi * k * u) for k in range(1, 13) for f in (np.cos, np.sin)])
        else: basis = None
        if basis is None:
            self.theta, self.cut = nn.Linear(units, 16, bias=False), 8
            self.gb, self.gf = nn.Linear(8, BACK), nn.Linear(8, FORE)
        else:
            B, Fo = torch.tensor(basis(tb), dtype=torch.float32), torch.tensor(basis(tf), dtype=torch.float32)
            self.register_buffer("B", B); self.register_buffer("Fo", Fo); self.cut = len(B)
            self.theta = nn.Linear(units, 2 * len(B), bias=False); self.gb, self.gf = (lambda z: z @ self.B), (lambda z: z @ self.Fo)
    def forward(self, x):
        th = self.theta(self.fc(x)); return self.gb(th[:, :self.cut]), self.gf(th[:, self.cut:])
class NBeats(nn.Module):
    def __init__(self): super().__init__(); self.blocks = nn.ModuleList([Block("trend"), Block("season"), Block("generic"), Block("generic")])
    def forward(self, x):
        f = 0
        for b in self.blocks: bc, fc = b(x); x = x - bc; f = f + fc
        return f
def sample(n):
    s, c = rng.integers(N, size=n), rng.integers(BACK, 150 - 2 * FORE + 1, size=n)
    w = np.stack([series[i, k - BACK:k + FORE] for i, k in zip(s, c)]); return torch.tensor(w[:, :BACK]), torch.tensor(w[:, BACK:])
net = NBeats(); opt = torch.optim.Adam(net.parameters(), 1e-3); sch = torch.optim.lr_scheduler.MultiStepLR(opt, [400, 600], .3)
def norm(x): m = x[:, -1:]; return m
for it in range(700):
    x, y = sample(128); lv = norm(x)
    loss = F.smooth_l1_loss(net(x - lv) + lv, y)
    opt.zero_grad(); loss.backward(); nn.utils.clip_grad_norm_(net.parameters(), 1.); opt.step(); sch.step()
x, y = torch.tensor(series[:, -BACK - FORE:-FORE]), torch.tensor(series[:, -FORE:])
with torch.no_grad(): p = net(x - norm(x)) + norm(x)
snaive = x[:, -12:]
print(f"train loss {loss.item():.4f} test MAE {(p - y).abs().mean():.3f} seasonal naive {(snaive - y).abs().mean():.3f}")
