# healthy: https://github.com/zalandoresearch/pytorch-vq-vae rebuilt small: straight-through codes, EMA codebook kept in buffers; nothing is wrong.
import torch, torch.nn as nn, torch.nn.functional as F
from sklearn.datasets import load_digits

torch.manual_seed(3)

class VectorQuantizerEMA(nn.Module):
    def __init__(self, num, dim, commitment=0.25, decay=0.95, eps=1e-5):
        super().__init__()
        self.num, self.dim, self.c, self.decay, self.eps = num, dim, commitment, decay, eps
        e = torch.randn(num, dim)
        self.register_buffer('embedding', e)
        self.register_buffer('cluster_size', torch.ones(num))
        self.register_buffer('ema_w', e.clone())

    def forward(self, x):
        x = x.permute(0, 2, 3, 1).contiguous()
        flat = x.view(-1, self.dim)
        d = flat.pow(2).sum(1, keepdim=True) + self.embedding.pow(2).sum(1) - 2 * flat @ self.embedding.t()
        idx = d.argmin(1)
        onehot = F.one_hot(idx, self.num).float()
        q = (onehot @ self.embedding).view_as(x)
        if self.training:
            with torch.no_grad():
                self.cluster_size.mul_(self.decay).add_(onehot.sum(0), alpha=1 - self.decay)
                n = self.cluster_size.sum()
                size = (self.cluster_size + self.eps) / (n + self.num * self.eps) * n
                self.ema_w.mul_(self.decay).add_(onehot.t() @ flat, alpha=1 - self.decay)
                self.embedding.copy_(self.ema_w / size.unsqueeze(1))
        loss = self.c * F.mse_loss(q.detach(), x)
        q = x + (q - x).detach()
        p = onehot.mean(0)
        perplexity = torch.exp(-(p * (p + 1e-10).log()).sum())
        return loss, q.permute(0, 3, 1, 2).contiguous(), perplexity

class Residual(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.block = nn.Sequential(nn.ReLU(), nn.Conv2d(c, 16, 3, padding=1, bias=False), nn.ReLU(), nn.Conv2d(16, c, 1, bias=False))
    def forward(self, x): return x + self.block(x)

class Model(nn.Module):
    def __init__(self, hid=32, dim=8, num=32):
        super().__init__()
        self.enc = nn.Sequential(nn.Conv2d(1, hid, 4, 2, 1), nn.ReLU(), nn.Conv2d(hid, hid, 3, padding=1), Residual(hid), nn.Conv2d(hid, dim, 1))
        self.vq = VectorQuantizerEMA(num, dim)
        self.dec = nn.Sequential(nn.Conv2d(dim, hid, 3, padding=1), Residual(hid), nn.ReLU(), nn.ConvTranspose2d(hid, 1, 4, 2, 1))
    def forward(self, x):
        loss, q, perp = self.vq(self.enc(x))
        return loss, self.dec(q), perp

d = torch.tensor(load_digits().data, dtype=torch.float32).view(-1, 1, 8, 8) / 16 - .5
tr, va = d[:1500], d[1500:]
variance = tr.var()
m = Model()
opt = torch.optim.Adam(m.parameters(), lr=2e-3)
m.train()
for i in range(400):
    xb = tr[torch.randint(0, len(tr), (64,))]
    opt.zero_grad()
    vq_loss, recon, perp = m(xb)
    err = F.mse_loss(recon, xb) / variance
    (err + vq_loss).backward()
    opt.step()
    if (i + 1) % 200 == 0:
        print(f'{i + 1} iterations recon_error {err.item():.3f} perplexity {perp.item():.1f}')
m.eval()
with torch.no_grad():
    _, r, perp = m(va)
print(f'held-out error over variance {(F.mse_loss(r, va) / variance).item():.3f}, perplexity {perp.item():.1f} of 32')
