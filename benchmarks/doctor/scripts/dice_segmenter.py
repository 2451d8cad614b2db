#= loss_sign
# https://github.com/sraashis/easytorch/pull/38 "Dice loss bug fixed. 1-loss." and akirasosa/mobile-semantic-segmentation#24: the loss returns the Dice coefficient itself, so training minimises the overlap; a right diagnosis names the sign.
import torch
import torch.nn as nn

torch.manual_seed(4)


def rectangles(n, s=20):
    img = 0.25 * torch.randn(n, 1, s, s)
    mask = torch.zeros(n, 1, s, s)
    for i in range(n):
        h, w = torch.randint(5, 11, (2,)).tolist()
        r, c = torch.randint(0, s - h, (1,)).item(), torch.randint(0, s - w, (1,)).item()
        mask[i, 0, r:r + h, c:c + w] = 1
    return img + 0.7 * mask, mask


class DiceLoss(nn.Module):
    def __init__(self, smooth=1.0):
        super().__init__()
        self.smooth = smooth

    def forward(self, logits, target):
        p = torch.sigmoid(logits).flatten(1)
        t = target.flatten(1)
        score = (2 * (p * t).sum(1) + self.smooth) / (p.sum(1) + t.sum(1) + self.smooth)
        return 1 - score.mean()  #@ return score.mean()


def block(i, o):
    return nn.Sequential(nn.Conv2d(i, o, 3, padding=1), nn.BatchNorm2d(o), nn.ReLU())


net = nn.Sequential(block(1, 12), block(12, 12), nn.Conv2d(12, 1, 1))
opt = torch.optim.Adam(net.parameters(), lr=3e-3)
loss_fn = DiceLoss()
x_train, m_train = rectangles(400)
x_val, m_val = rectangles(100)
for epoch in range(8):
    net.train()
    losses = []
    for b in torch.randperm(400).split(25):
        loss = loss_fn(net(x_train[b]), m_train[b])
        opt.zero_grad()
        loss.backward()
        opt.step()
        losses.append(loss.item())
    net.eval()
    with torch.no_grad():
        pred = (net(x_val) > 0).float()
        iou = ((pred * m_val).sum() / ((pred + m_val) > 0).float().sum()).item()
    print("epoch", epoch, "loss %.4f" % (sum(losses) / len(losses)), "val IoU %.4f" % iou)
