"""Small WaveNet: mu-law classes, gated dilated causal convolutions, skip connections, EMA of the weights for evaluation, noam-free exponential decay."""
import copy, math, torch, torch.nn as nn, torch.nn.functional as F
torch.manual_seed(9)
Q = 32
def mu_law(x, mu=Q - 1): y = torch.sign(x) * torch.log1p(mu * x.abs()) / math.log1p(mu); return ((y + 1) / 2 * mu + .5).long().clamp(0, Q - 1)
def tune(n, L=200):
    f = torch.tensor([.02, .03, .045])[torch.randint(3, (n, 1))]; t = torch.arange(L) + torch.rand(n, 1) * 80
    return .6 * torch.sin(2 * math.pi * f * t) + .25 * torch.sin(4 * math.pi * f * t) + .01 * torch.randn(n, L)
train, test = mu_law(tune(160)), mu_law(tune(40))
class Causal(nn.Conv1d):
    def __init__(s, i, o, k, d=1): super().__init__(i, o, k, dilation=d); s.left = (k - 1) * d
    def forward(s, x): return super().forward(F.pad(x, (s.left, 0)))
class WaveNet(nn.Module):
    def __init__(s, r=24, sk=32, dil=(1, 2, 4, 8, 16)):
        super().__init__(); s.emb = nn.Embedding(Q, r)
        s.fg, s.res, s.skip = nn.ModuleList(Causal(r, 2 * r, 2, d) for d in dil), nn.ModuleList(nn.Conv1d(r, r, 1) for _ in dil), nn.ModuleList(nn.Conv1d(r, sk, 1) for _ in dil)
        s.out = nn.Sequential(nn.ReLU(), nn.Conv1d(sk, sk, 1), nn.ReLU(), nn.Conv1d(sk, Q, 1)); s.field = sum(dil) + 1
    def forward(s, x):
        h, skip = s.emb(x).transpose(1, 2), 0
        for fg, re, sk in zip(s.fg, s.res, s.skip):
            a, b = fg(h).chunk(2, 1); z = torch.tanh(a) * torch.sigmoid(b); skip = skip + sk(z); h = (h + re(z)) * math.sqrt(.5)
        return s.out(skip)
net = WaveNet(); ema = copy.deepcopy(net).requires_grad_(False)
opt = torch.optim.Adam(net.parameters(), 5e-3); sch = torch.optim.lr_scheduler.ExponentialLR(opt, .993)
for step in range(200):
    x = train[torch.randint(160, (10,))]; o = torch.randint(0, 200 - 121, (1,)).item(); x = x[:, o:o + 121]
    logits = net(x[:, :-1]); loss = F.cross_entropy(logits, x[:, 1:])
    opt.zero_grad(); loss.backward(); nn.utils.clip_grad_norm_(net.parameters(), 1.); opt.step(); sch.step()
    with torch.no_grad():
        d = min(.98, (1 + step) / (10 + step))
        for pe, p in zip(ema.parameters(), net.parameters()): pe.mul_(d).add_(p, alpha=1 - d)
with torch.no_grad():
    f = ema.field; lg = ema(test[:, :-1])[:, :, f:]; tgt = test[:, f + 1:]
    nll = F.cross_entropy(lg, tgt); copy_acc = (test[:, f:-1] == tgt).float().mean()
print(f"test nll {nll:.3f} (uniform {math.log(Q):.2f}) next-class accuracy {(lg.argmax(1) == tgt).float().mean():.3f} repeat-last {copy_acc:.3f}")
