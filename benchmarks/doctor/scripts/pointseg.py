#= axes_scrambled
#: https://github.com/torch-points3d/torch-points3d/pull/76 per-point outputs are (B, C, N) and are flattened with view(-1, C) without permute(0, 2, 1), so logits and labels no longer belong together; a right diagnosis says permute before the view.
"""Part segmentation of synthetic lamps (base, pole, shade) with a small PointNet segmentation net."""
import math, torch, torch.nn as nn, torch.nn.functional as F
torch.manual_seed(3)
N, PARTS = 90, 3
def lamp():
    h, r = 1 + torch.rand(1), .5 + .3 * torch.rand(1); y = torch.randint(PARTS, (N,)); a = torch.rand(N) * 2 * math.pi; u = torch.rand(N)
    base = torch.stack([r * u.sqrt() * a.cos(), r * u.sqrt() * a.sin(), .05 * torch.rand(N)], 1)
    pole = torch.stack([.05 * a.cos(), .05 * a.sin(), h * u], 1)
    shade = torch.stack([(.6 - .3 * u) * a.cos(), (.6 - .3 * u) * a.sin(), h - .2 + .5 * u], 1)
    p = torch.stack([base, pole, shade])[y, torch.arange(N)] + .02 * torch.randn(N, 3)
    return p - p.mean(0), y
def clouds(n): ps = [lamp() for _ in range(n)]; return torch.stack([p for p, _ in ps]), torch.stack([y for _, y in ps])
class SharedMLP(nn.Sequential):
    def __init__(self, *d): super().__init__(*[m for i, o in zip(d, d[1:]) for m in (nn.Conv1d(i, o, 1), nn.BatchNorm1d(o), nn.ReLU())])
class SegNet(nn.Module):
    def __init__(self):
        super().__init__(); self.low, self.high = SharedMLP(3, 32, 32), SharedMLP(32, 64, 96)
        self.fp, self.fc = SharedMLP(128, 64, 32), nn.Conv1d(32, PARTS, 1)
    def forward(self, pos):
        l = self.low(pos.transpose(1, 2)); g = self.high(l).amax(2, keepdim=True).expand(-1, -1, pos.size(1))
        out = self.fc(self.fp(torch.cat([l, g], 1)))
        out = out.permute(0, 2, 1).contiguous()  #@
        return out.view(-1, PARTS)
Xtr, Ytr = clouds(300); Xte, Yte = clouds(60)
net = SegNet(); opt = torch.optim.Adam(net.parameters(), 3e-3); sch = torch.optim.lr_scheduler.ExponentialLR(opt, .9)
for ep in range(10):
    net.train(); tot = 0
    for b in torch.randperm(300).split(25):
        loss = F.cross_entropy(net(Xtr[b]), Ytr[b].view(-1)); opt.zero_grad(); loss.backward(); opt.step(); tot += loss.item()
    sch.step(); print(ep, round(tot / 12, 4))
net.eval()
with torch.no_grad():
    p = net(Xte).argmax(1); t = Yte.view(-1)
    iou = torch.stack([((p == k) & (t == k)).sum() / ((p == k) | (t == k)).sum().clamp(min=1) for k in range(PARTS)])
print(f"point accuracy {(p == t).float().mean():.3f} mIoU {iou.mean():.3f}")
