import copy, math, torch, torch.nn as nn, torch.nn.functional as F
from sklearn.datasets import load_digits
torch.manual_seed(0)
d = load_digits(); X = torch.tensor(d.images).float()[:, None] / 8 - 1; y = torch.tensor(d.target); p = torch.randperm(1797); X, y = X[p], y[p]
class ModelEmaV2(nn.Module):
    def __init__(self, m, decay): super().__init__(); self.module = copy.deepcopy(m).eval(); self.decay = decay
    @torch.no_grad()
    def update(self, m):
        for e, v in zip(self.module.state_dict().values(), m.state_dict().values()): e.copy_(self.decay * e + (1 - self.decay) * v)
net = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.GroupNorm(4, 16), nn.SiLU(), nn.Conv2d(16, 32, 3, 2, 1, bias=False), nn.GroupNorm(4, 32), nn.SiLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(128, 10))
decay, no_decay = [q for q in net.parameters() if q.ndim > 1], [q for q in net.parameters() if q.ndim <= 1]
opt = torch.optim.AdamW([{'params': decay, 'weight_decay': .02}, {'params': no_decay, 'weight_decay': 0.}], lr=5e-3); accum, epochs, bs = 3, 9, 32; n = math.ceil(1300 / bs); total = epochs * math.ceil(n / accum)
sch = torch.optim.lr_scheduler.OneCycleLR(opt, 5e-3, total_steps=total, pct_start=.2); scaler = torch.amp.GradScaler('cpu', init_scale=1024.); ema = ModelEmaV2(net, .95)
for ep in range(epochs):
    net.train(); bl = torch.randperm(1300).split(bs)
    for k, b in enumerate(bl):
        last = n - n % accum; div = accum if k < last else n % accum
        with torch.autocast('cpu', dtype=torch.bfloat16): out = net(X[b])
        scaler.scale(F.cross_entropy(out.float(), y[b]) / div).backward()
        if (k + 1) % accum == 0 or k + 1 == n:
            scaler.unscale_(opt); nn.utils.clip_grad_norm_(net.parameters(), 1.); scaler.step(opt); scaler.update(); opt.zero_grad(set_to_none=True); sch.step(); ema.update(net)
net.eval()
with torch.no_grad(): print('lr at the end %.1e' % opt.param_groups[0]['lr'], 'acc %.3f ema acc %.3f' % tuple((m(X[1300:]).argmax(1) == y[1300:]).float().mean().item() for m in (net, ema.module)))
