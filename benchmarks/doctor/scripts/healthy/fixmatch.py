# healthy: https://github.com/kekmodel/FixMatch-pytorch: 60 labels, weak/strong views, pseudo-labels without gradient above 0.95, EMA model for the test, cosine 7/16 schedule; nothing is wrong.
import math, copy
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.optim.lr_scheduler import LambdaLR
from sklearn.datasets import load_digits

torch.manual_seed(5)
d = load_digits()
x, y = torch.tensor(d.images, dtype=torch.float32)[:, None] / 16, torch.tensor(d.target)
perm = torch.randperm(len(x)); te, pool = perm[1300:], perm[:1300]
lab = torch.cat([pool[y[pool] == c][:6] for c in range(10)])

def affine(z, rot, sh):
    n = len(z); a = (torch.rand(n) * 2 - 1) * rot
    th = torch.zeros(n, 2, 3)
    th[:, 0, 0] = a.cos(); th[:, 0, 1] = -a.sin(); th[:, 1, 0] = a.sin(); th[:, 1, 1] = a.cos()
    th[:, :, 2] = (torch.rand(n, 2) * 2 - 1) * sh
    return F.grid_sample(z, F.affine_grid(th, z.shape, align_corners=False), align_corners=False)
weak = lambda z: affine(z, .05, .08)
def strong(z):
    z = affine(z, .35, .2) * (.6 + .8 * torch.rand(len(z), 1, 1, 1))
    m = torch.ones_like(z); i, j = torch.randint(0, 6, (2,)).tolist(); m[:, :, i:i + 3, j:j + 3] = 0
    return z * m

class ModelEMA:
    def __init__(self, model, decay):
        self.ema = copy.deepcopy(model).eval(); self.decay = decay
        for p in self.ema.parameters(): p.requires_grad_(False)
    @torch.no_grad()
    def update(self, model):
        for e, m in zip(self.ema.parameters(), model.parameters()): e.mul_(self.decay).add_(m, alpha=1 - self.decay)
        for e, m in zip(self.ema.buffers(), model.buffers()): e.copy_(m)

model = nn.Sequential(nn.Conv2d(1, 24, 3, padding=1, bias=False), nn.BatchNorm2d(24), nn.LeakyReLU(.1), nn.MaxPool2d(2), nn.Conv2d(24, 48, 3, padding=1, bias=False), nn.BatchNorm2d(48), nn.LeakyReLU(.1), nn.Flatten(), nn.Linear(768, 10))
no_decay = [p for p in model.parameters() if p.ndim == 1]
opt = torch.optim.SGD([{'params': [p for p in model.parameters() if p.ndim > 1], 'weight_decay': 5e-4}, {'params': no_decay, 'weight_decay': 0.}], lr=.03, momentum=.9, nesterov=True)
STEPS = 260
sched = LambdaLR(opt, lambda s: max(0., math.cos(math.pi * 7 / 16 * s / STEPS)))
ema = ModelEMA(model, .97)
model.train()
for step in range(STEPS):
    bl = lab[torch.randint(0, len(lab), (30,))]; bu = pool[torch.randint(0, len(pool), (90,))]
    out = model(torch.cat([weak(x[bl]), weak(x[bu]), strong(x[bu])]))
    l, w, s = out.split([30, 90, 90])
    Lx = F.cross_entropy(l, y[bl])
    prob = torch.softmax(w.detach(), -1)
    top, target = prob.max(-1)
    mask = top.ge(.95).float()
    Lu = (F.cross_entropy(s, target, reduction='none') * mask).mean()
    (Lx + Lu).backward()
    opt.step(); sched.step(); ema.update(model); model.zero_grad()
    if step % 65 == 0: print(f'step {step} Lx {Lx.item():.3f} Lu {Lu.item():.3f} mask {mask.mean().item():.2f}')
with torch.no_grad():
    print('EMA accuracy with 60 labels', round((ema.ema(x[te]).argmax(1) == y[te]).float().mean().item(), 4))
