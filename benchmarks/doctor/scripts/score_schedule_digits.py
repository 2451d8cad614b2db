#= schedule_wrong
# https://github.com/LuChengTHU/dpm-solver/issues/13 alphas_cumprod built from betas instead of 1-betas, so nearly every step is pure noise; right diagnosis: wrong noise schedule, clean signal absent from inputs.
import torch, math
import torch.nn.functional as F
from torch import nn
from sklearn.datasets import load_digits
torch.manual_seed(1)

STEPS = 50
betas = torch.linspace(1e-3, 0.15, STEPS)
alphas_cumprod = torch.cumprod(1 - betas, dim=0)  #@ alphas_cumprod = torch.cumprod(betas, dim=0)

def q_sample(x0, t, eps):
    ac = alphas_cumprod[t].view(-1, 1)
    return ac.sqrt() * x0 + (1 - ac).sqrt() * eps

class Denoiser(nn.Module):
    def __init__(self):
        super().__init__()
        self.temb = nn.Embedding(STEPS, 64)
        self.i = nn.Linear(64, 192); self.m = nn.Linear(192, 192); self.o = nn.Linear(192, 64)
        self.t1 = nn.Linear(64, 192)
    def forward(self, x, t):
        h = F.silu(self.i(x) + self.t1(self.temb(t)))
        return self.o(F.silu(h + self.m(h)))

x = torch.tensor(load_digits().data, dtype=torch.float32) / 8 - 1
net = Denoiser(); opt = torch.optim.AdamW(net.parameters(), 2e-3)
sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, 1000)
for it in range(1000):
    x0 = x[torch.randint(0, len(x), (128,))]
    t = torch.randint(0, STEPS, (128,)); eps = torch.randn_like(x0)
    loss = F.mse_loss(net(q_sample(x0, t, eps), t), eps)
    opt.zero_grad(); loss.backward(); opt.step(); sched.step()

with torch.no_grad():
    y = torch.randn(600, 64)
    for i in reversed(range(STEPS)):
        t = torch.full((600,), i)
        ac = alphas_cumprod[i]; prev = alphas_cumprod[i - 1] if i else torch.tensor(1.0)
        e = net(y, t)
        x0 = ((y - (1 - ac).sqrt() * e) / ac.sqrt()).clamp(-1, 1)
        e = (y - ac.sqrt() * x0) / (1 - ac).sqrt()
        y = prev.sqrt() * x0 + (1 - prev).sqrt() * e
ed = 2 * torch.cdist(y, x).mean() - torch.cdist(y, y).mean() - torch.cdist(x, x).mean()
print("sample energy distance %.3f" % ed.item())
