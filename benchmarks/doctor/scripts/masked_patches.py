#= losses_left_out
# https://github.com/Sllambias/asparagus/pull/12 the mask is True for kept patches but the loss is taken where mask is True, so the hidden patches are never supervised; right diagnosis: inverted mask in the masked reconstruction loss.
import torch
from torch import nn
from sklearn.datasets import load_digits


class TinyMAE(nn.Module):
    def __init__(self, patches=16, pdim=4, d=32):
        super().__init__()
        self.emb = nn.Linear(pdim, d)
        self.pos = nn.Parameter(0.02 * torch.randn(1, patches, d))
        self.mask_token = nn.Parameter(torch.zeros(1, 1, d))
        self.mix = nn.Sequential(nn.Flatten(), nn.Linear(patches * d, 256), nn.GELU(), nn.Linear(256, patches * pdim))

    def forward(self, p, keep):
        h = torch.where(keep[..., None], self.emb(p), self.mask_token) + self.pos
        return self.mix(h).view_as(p)

    def _rec_loss(self, pred, y, keep):
        return nn.functional.mse_loss(pred[~keep], y[~keep])  #@ return nn.functional.mse_loss(pred[keep], y[keep])


torch.manual_seed(0)
im = torch.tensor(load_digits().images, dtype=torch.float32) / 16
p = im.reshape(-1, 4, 2, 4, 2).permute(0, 1, 3, 2, 4).reshape(-1, 16, 4)
net = TinyMAE()
opt = torch.optim.AdamW(net.parameters(), lr=2e-3)
for it in range(500):
    x = p[torch.randint(0, 1500, (64,))]
    keep = torch.rand(64, 16) > 0.5
    loss = net._rec_loss(net(x, keep), x, keep)
    opt.zero_grad()
    loss.backward()
    opt.step()
with torch.no_grad():
    x = p[1500:]
    keep = torch.rand(len(x), 16) > 0.5
    e = ((net(x, keep) - x) ** 2)[~keep].mean().item()
print(f"error on hidden patches {e:.4f} (mean image {((x - p[:1500].mean(0)) ** 2)[~keep].mean().item():.4f})")
