#= double_softmax
#: sigmoid in forward plus BCEWithLogitsLoss (sigmoid twice); outputs lie in 0.5..0.73 for the loss, and predictions of rare lesions break
"""Lesion segmentation on tiny synthetic CT slices with a small U-Net like net."""
import torch
import torch.nn as nn

torch.manual_seed(40)


def slices(n, size=20):
    yy, xx = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    imgs, masks = [], []
    for _ in range(n):
        cy, cx = torch.randint(4, size - 4, (2,)).tolist()
        r = torch.randint(2, 4, (1,)).item()
        m = ((yy - cy) ** 2 + (xx - cx) ** 2 <= r * r).float()
        imgs.append(0.9 * m + 0.5 * torch.randn(size, size))
        masks.append(m)
    return torch.stack(imgs).unsqueeze(1), torch.stack(masks).unsqueeze(1)


def double_conv(in_c, out_c):
    return nn.Sequential(
        nn.Conv2d(in_c, out_c, 3, padding=1), nn.ReLU(inplace=True),
        nn.Conv2d(out_c, out_c, 3, padding=1), nn.ReLU(inplace=True))


class UNet(nn.Module):
    def __init__(self):
        super(UNet, self).__init__()
        self.down1 = double_conv(1, 8)
        self.pool = nn.MaxPool2d(2)
        self.down2 = double_conv(8, 16)
        self.up = nn.ConvTranspose2d(16, 8, 2, 2)
        self.up_conv = double_conv(16, 8)
        self.out = nn.Conv2d(8, 1, 1)

    def forward(self, image):
        x1 = self.down1(image)
        x2 = self.down2(self.pool(x1))
        x = self.up_conv(torch.cat([x1, self.up(x2)], 1))
        return self.out(x)  #@ return torch.sigmoid(self.out(x))


def dice(pred, target):
    inter = (pred * target).sum((1, 2, 3))
    return ((2 * inter + 1e-6) / (pred.sum((1, 2, 3)) + target.sum((1, 2, 3)) + 1e-6)).mean().item()


x, m = slices(240)
xv, mv = slices(60)
model = UNet()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
criterion = nn.BCEWithLogitsLoss()

for epoch in range(8):
    model.train()
    ep = 0.
    for b in torch.randperm(240).split(12):
        out = model(x[b])
        loss = criterion(out, m[b])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        ep += loss.item() / 20
    model.eval()
    with torch.no_grad():
        pred = (torch.sigmoid(model(xv)) > 0.5).float()
    print("epoch %d  bce %.4f  val dice %.3f" % (epoch, ep, dice(pred, mv)))
