# healthy: https://github.com/xingyizhou/CenterNet: Gaussian heatmaps, penalty-reduced focal loss, bias -2.19, peaks by 3x3 max pooling; nothing is wrong.
import math
import torch, torch.nn as nn, torch.nn.functional as F
torch.manual_seed(10)
H = 32; R = 16

def make(n):
    img = .1 * torch.randn(n, 1, H, H); heat = torch.zeros(n, 1, R, R); size = torch.zeros(n, 2, R, R); mask = torch.zeros(n, 1, R, R); pts = []
    g = torch.arange(R).float()
    for k in range(n):
        cur = []
        for _ in range(int(torch.randint(1, 4, (1,)))):
            w, h = torch.randint(4, 9, (2,)).tolist()
            x, y = torch.randint(0, H - w, (1,)).item(), torch.randint(0, H - h, (1,)).item()
            cx, cy = int((x + w / 2) / 2), int((y + h / 2) / 2)
            if any(abs(cx - a) + abs(cy - b) < 5 for a, b in cur): continue
            img[k, 0, y:y + h, x:x + w] += 1.
            gauss = torch.exp(-((g[None] - cx) ** 2 + (g[:, None] - cy) ** 2) / 2.)
            heat[k, 0] = torch.maximum(heat[k, 0], gauss)
            size[k, :, cy, cx] = torch.tensor([w, h]) / 8.; mask[k, 0, cy, cx] = 1
            cur.append((cx, cy))
        pts.append(cur)
    return img, heat, size, mask, pts

def neg_loss(pred, gt):
    pos, neg = gt.eq(1).float(), gt.lt(1).float()
    p = torch.log(pred) * (1 - pred) ** 2 * pos
    n = torch.log(1 - pred) * pred ** 2 * (1 - gt) ** 4 * neg
    num = pos.sum()
    return -(p.sum() + n.sum()) / num.clamp(min=1)

class Center(nn.Module):
    def __init__(self):
        super().__init__()
        b = lambda i, o, s=1: nn.Sequential(nn.Conv2d(i, o, 3, s, 1), nn.BatchNorm2d(o), nn.ReLU())
        self.stem = b(1, 16, 2); self.low = nn.Sequential(b(16, 32, 2), b(32, 32)); self.up = nn.ConvTranspose2d(32, 16, 2, 2)
        self.fuse = b(32, 32)
        self.hm, self.wh = nn.Conv2d(32, 1, 1), nn.Conv2d(32, 2, 1)
        nn.init.constant_(self.hm.bias, -2.19)
    def forward(self, x):
        s = self.stem(x)
        f = self.fuse(torch.cat([s, self.up(self.low(s))], 1))
        return torch.clamp(self.hm(f).sigmoid(), 1e-4, 1 - 1e-4), self.wh(f)

tr, va = make(500), make(100)
net = Center(); opt = torch.optim.Adam(net.parameters(), lr=3e-3)
for ep in range(14):
    net.train()
    if ep == 10:
        for gr in opt.param_groups: gr['lr'] = 3e-4
    for b in torch.randperm(500).split(20):
        hm, wh = net(tr[0][b])
        l_hm = neg_loss(hm, tr[1][b])
        m = tr[3][b]
        l_wh = (F.l1_loss(wh * m, tr[2][b] * m, reduction='sum') / (m.sum() + 1e-4))
        loss = l_hm + .5 * l_wh
        opt.zero_grad(); loss.backward(); opt.step()
    if ep % 4 == 0: print(ep, round(l_hm.item(), 3), round(l_wh.item(), 3))
net.eval()
with torch.no_grad(): hm, wh = net(va[0])
keep = (F.max_pool2d(hm, 3, 1, 1) == hm) & (hm > .3)
tp = fp = fn = 0
for k, gt in enumerate(va[4]):
    det = [(x, y) for y, x in keep[k, 0].nonzero().tolist()]
    left = list(gt)
    for x, y in det:
        m = [p for p in left if abs(p[0] - x) <= 1 and abs(p[1] - y) <= 1]
        if m: left.remove(m[0]); tp += 1
        else: fp += 1
    fn += len(left)
m = va[3]
print(f'centres: F1 {2 * tp / (2 * tp + fp + fn):.3f}; size error {((wh - va[2]).abs() * m).sum().item() / m.sum().item() / 2 * 8:.2f} pixels')
