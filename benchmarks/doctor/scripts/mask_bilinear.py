#= labels_unfit
#: https://github.com/kornia/kornia/issues/476 - class indices are interpolated bilinearly and truncated, so the border of class 3 to background becomes classes 1 and 2; right: mode='nearest' for labels.
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)
K, BIG, SMALL = 4, 48, 18


def raw(n):
    g = torch.arange(BIG).float()
    imgs, labs = torch.zeros(n, 1, BIG, BIG), torch.zeros(n, BIG, BIG, dtype=torch.long)
    level = torch.tensor([.1, .9, .5, .7])
    for i in range(n):
        for _ in range(4):
            c = int(torch.multinomial(torch.tensor([0., .15, .15, .7]), 1))
            y, x, r = (torch.rand(3) * torch.tensor([40., 40., 3.]) + torch.tensor([4., 4., 2.5])).tolist()
            m = (g[:, None] - y) ** 2 + (g[None] - x) ** 2 < r * r
            labs[i][m] = c
        imgs[i, 0] = level[labs[i]] + .06 * torch.randn(BIG, BIG)
    return imgs, labs


def preprocess(img, lab):
    img = F.interpolate(img, size=(SMALL, SMALL), mode='bilinear', align_corners=False)
    lab = F.interpolate(lab[:, None].float(), size=(SMALL, SMALL), mode='nearest')  #@ lab = F.interpolate(lab[:, None].float(), size=(SMALL, SMALL), mode='bilinear', align_corners=False)
    return img, lab[:, 0].long()


ti, tl = preprocess(*raw(240))
vi_raw, vl_raw = raw(80)
vi = preprocess(vi_raw, vl_raw)[0]
c = lambda i, o: nn.Sequential(nn.Conv2d(i, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU())
model = nn.Sequential(c(1, 16), c(16, 24), c(24, 24), nn.Conv2d(24, K, 1))
weights = (1 / (torch.bincount(tl.flatten(), minlength=K) + 1.)) ** .5
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(10):
    model.train()
    for b in torch.randperm(240).split(12):
        loss = F.cross_entropy(model(ti[b]), tl[b], weight=weights / weights.sum())
        optimizer.zero_grad(); loss.backward(); optimizer.step()
    if epoch % 3 == 0: print('epoch', epoch, 'loss', round(loss.item(), 4))
model.eval()
with torch.no_grad():
    up = F.interpolate(model(vi), size=(BIG, BIG), mode='bilinear', align_corners=False).argmax(1)
iou = [((up == k) & (vl_raw == k)).sum().item() / ((up == k) | (vl_raw == k)).sum().item() for k in range(K)]
print('IoU per class at full size', [round(v, 3) for v in iou], 'mean', round(sum(iou) / K, 4))
