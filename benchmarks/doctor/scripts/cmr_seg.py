#= double_softmax
#: sigmoid in the training step and again inside BCEWithLogits: thin structures stay background (medical segmentation repos, issue LynnHg 3)
"""Binary segmentation of small bright vessels in 32x32 slices, tiny U-Net."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(17)


def slices(n):
    img = 0.5 * torch.randn(n, 1, 32, 32)
    img = F.avg_pool2d(img, 3, 1, 1) + 0.25 * torch.randn(n, 1, 32, 32)
    mask = torch.zeros(n, 1, 32, 32)
    for i in range(n):
        for _ in range(2):
            r, c = torch.randint(2, 25, (2,)).tolist()
            h = torch.randint(3, 6, (1,)).item()
            mask[i, 0, r:r + h, c:c + 4] = 1
    return img + 1.2 * mask, mask


class DoubleConv(nn.Sequential):
    def __init__(self, i, o):
        super().__init__(nn.Conv2d(i, o, 3, padding=1), nn.BatchNorm2d(o), nn.ReLU(inplace=True),
                         nn.Conv2d(o, o, 3, padding=1), nn.BatchNorm2d(o), nn.ReLU(inplace=True))


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.down1, self.down2 = DoubleConv(1, 8), DoubleConv(8, 16)
        self.up1 = DoubleConv(24, 8)
        self.outc = nn.Conv2d(8, 1, 1)

    def forward(self, x):
        a = self.down1(x)
        b = self.down2(F.max_pool2d(a, 2))
        return self.outc(self.up1(torch.cat([a, F.interpolate(b, scale_factor=2)], 1)))


def diceCoeff(pred, gt, eps=1e-5):
    inter = (pred * gt).sum((1, 2, 3))
    return ((2 * inter + eps) / (pred.sum((1, 2, 3)) + gt.sum((1, 2, 3)) + eps)).mean()


net = UNet()
criterion = nn.BCEWithLogitsLoss()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
train_loader = DataLoader(TensorDataset(*slices(320)), batch_size=16, shuffle=True)
val_loader = DataLoader(TensorDataset(*slices(96)), batch_size=32)

for epoch in range(9):
    net.train()
    losses = []
    for X, y in train_loader:
        optimizer.zero_grad()
        output = net(X)
        #+ output = torch.sigmoid(output)
        loss = criterion(output, y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    net.eval()
    dices = []
    with torch.no_grad():
        for X, y in val_loader:
            output = torch.sigmoid(net(X))
            output = (output > 0.5).float()
            dices.append(diceCoeff(output, y).item())
    print("epoch {} - loss {:.4f} - val dice {:.4f}".format(epoch + 1, sum(losses) / len(losses), sum(dices) / len(dices)))
