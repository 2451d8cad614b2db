#= losses_left_out
#: https://github.com/Sllambias/asparagus/pull/12 - the mask is True for KEPT patches, yet the loss is taken where it is True, so only what the net sees is scored and hidden patches are never learnt; right: loss on ~mask.
import math
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)
N, P = 12, 4


def signals(n):
    t = torch.arange(N * P) / (N * P)
    k = torch.randint(1, 4, (n, 1)).float()
    return torch.sin(2 * math.pi * (k * t + torch.rand(n, 1))) * (.6 + .8 * torch.rand(n, 1))


class MaskedModel(nn.Module):
    def __init__(self, d=48, heads=4, ratio=.5):
        super().__init__()
        self.ratio = ratio
        self.inp, self.out = nn.Linear(P, d), nn.Linear(d, P)
        self.pos = nn.Parameter(.1 * torch.randn(1, N, d))
        self.mask_token = nn.Parameter(torch.zeros(1, 1, d))
        layer = nn.TransformerEncoderLayer(d, heads, 2 * d, dropout=0., batch_first=True, norm_first=True)
        self.body = nn.TransformerEncoder(layer, 2, nn.LayerNorm(d), enable_nested_tensor=False)
        self.rec_loss_masked_only = True

    def forward(self, x):
        patches = x.view(len(x), N, P)
        mask = torch.rand(len(x), N).argsort(1) >= int(N * self.ratio)
        h = torch.where(mask[..., None], self.inp(patches), self.mask_token)
        return patches, self.out(self.body(h + self.pos)), mask

    def rec_loss(self, pred, y, mask):
        if self.rec_loss_masked_only:
            pred, y = pred[~mask], y[~mask]  #@ pred, y = pred[mask], y[mask]
        return F.mse_loss(pred, y)


model = MaskedModel()
opt = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=.01)
sched = torch.optim.lr_scheduler.OneCycleLR(opt, 3e-3, total_steps=350)
for step in range(350):
    y, pred, mask = model(signals(64))
    loss = model.rec_loss(pred, y, mask)
    opt.zero_grad(); loss.backward(); opt.step(); sched.step()
    if step % 70 == 0: print(step, 'loss', round(loss.item(), 4))
model.eval()
with torch.no_grad():
    x = signals(1000)
    y, pred, mask = model(x)
    err = (pred - y).pow(2).mean(-1)
print(f'held-out error: hidden patches {err[~mask].mean():.4f}, visible {err[mask].mean():.4f}, variance {x.var():.3f}')
