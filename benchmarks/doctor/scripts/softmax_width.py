#= log_of_probabilities
#: https://github.com/hfslyc/AdvSemiSeg/issues/73 - F.softmax on (B,C,H,W) along the last axis normalises over the width, not over the classes; a right diagnosis names the axis of the softmax in the Dice loss.
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(8)
NUM, S = 4, 20
g = torch.arange(S).float()
yy, xx = torch.meshgrid(g, g, indexing='ij')

def synth(n):
    lab = torch.zeros(n, S, S, dtype=torch.long)
    for k in range(n):
        for c in (1, 2, 3):
            if torch.rand(()) < .75:
                cy, cx, r = torch.randint(3, S - 3, (2,)).tolist() + [2 + 3 * torch.rand(()).item()]
                m = ((yy - cy) ** 2 + (xx - cx) ** 2 < r * r) if c != 2 else ((yy - cy).abs().maximum((xx - cx).abs()) < r)
                lab[k][m] = c
    tone = torch.tensor([[.2, .2, .2], [.7, .3, .3], [.3, .7, .3], [.3, .3, .7]])
    img = tone[lab].permute(0, 3, 1, 2) + .25 * torch.randn(n, 3, S, S)
    return img, lab

class MulticlassDice(nn.Module):
    def __init__(self, smooth=1.):
        super().__init__()
        self.smooth = smooth
    def forward(self, logits, target):
        prob = F.softmax(logits, dim=1)  #@ prob = F.softmax(logits, dim=-1)
        hot = F.one_hot(target, NUM).permute(0, 3, 1, 2).float()
        inter = (prob * hot).sum((0, 2, 3))
        card = (prob + hot).sum((0, 2, 3))
        return 1 - ((2 * inter + self.smooth) / (card + self.smooth)).mean()

net = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, NUM, 1))
xt, yt = synth(160)
xv, yv = synth(60)
crit = MulticlassDice()
opt = torch.optim.Adam(net.parameters(), lr=3e-3)
for epoch in range(12):
    net.train()
    for b in torch.randperm(160).split(10):
        loss = crit(net(xt[b]), yt[b])
        opt.zero_grad()
        loss.backward()
        opt.step()
    if epoch % 4 == 3:
        print('epoch', epoch, 'dice loss', round(loss.item(), 4))
net.eval()
with torch.no_grad():
    p = net(xv).argmax(1)
iou = [((p == c) & (yv == c)).sum().item() / max(1, ((p == c) | (yv == c)).sum().item()) for c in range(NUM)]
print('mIoU', round(sum(iou) / NUM, 4), [round(i, 3) for i in iou])
