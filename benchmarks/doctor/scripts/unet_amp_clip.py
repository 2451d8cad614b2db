#= clipping_wrong
#: https://github.com/milesial/Pytorch-UNet/issues/468 ; clip_grad_norm_ acts on gradients still multiplied by the loss scale, so the real step is about 65536 times too small; diagnosis: call scaler.unscale_ before clipping.
import torch, torch.nn as nn, torch.nn.functional as F
torch.manual_seed(0)
def blobs(n):
    yy, xx = torch.meshgrid(torch.arange(16.), torch.arange(16.), indexing='ij'); im, ms = [], []
    for _ in range(n):
        c = torch.rand(2) * 10 + 3; r = torch.rand(1) * 2 + 2
        m = ((yy - c[0]) ** 2 + (xx - c[1]) ** 2 < r ** 2).float(); im.append(m * .8 + .5 * torch.randn(16, 16)); ms.append(m)
    return torch.stack(im)[:, None], torch.stack(ms)[:, None]
def block(i, o): return nn.Sequential(nn.Conv2d(i, o, 3, padding=1), nn.BatchNorm2d(o), nn.ReLU(inplace=True))
class MiniUNet(nn.Module):
    def __init__(self):
        super().__init__(); self.d1, self.d2, self.u1, self.out = block(1, 8), block(8, 16), block(24, 8), nn.Conv2d(8, 1, 1)
    def forward(self, x):
        a = self.d1(x); b = self.d2(F.max_pool2d(a, 2)); return self.out(self.u1(torch.cat([a, F.interpolate(b, scale_factor=2)], 1)))
def dice(l, t): p = torch.sigmoid(l.float()); return 1 - (2 * (p * t).sum() + 1) / (p.sum() + t.sum() + 1)
xi, xm = blobs(240); vi, vm = blobs(80)
model = MiniUNet(); optimizer = torch.optim.SGD(model.parameters(), lr=.1, momentum=.9)
grad_scaler = torch.amp.GradScaler('cpu', init_scale=2. ** 16)
for epoch in range(4):
    model.train()
    for b in torch.randperm(240).split(16):
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast('cpu', dtype=torch.bfloat16):
            pred = model(xi[b])
        loss = F.binary_cross_entropy_with_logits(pred.float(), xm[b]) + dice(pred, xm[b])
        grad_scaler.scale(loss).backward()
        grad_scaler.unscale_(optimizer)  #@ pass
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        grad_scaler.step(optimizer)
        grad_scaler.update()
    model.eval()
    with torch.no_grad(): v = 1 - dice(((model(vi) > 0).float() - .5) * 40, vm).item()
    print('epoch %d loss %.3f val dice %.3f' % (epoch, loss.item(), v))
