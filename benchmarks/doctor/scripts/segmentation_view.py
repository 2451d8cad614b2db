#= axes_scrambled
#: (N,C,H,W) logits flattened with view(-1, C) without permute in front of the cross entropy
"""Multi-class segmentation, small fully convolutional net."""
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(11)
N_CLASSES = 3


def make_batch(n, size=24):
    img = torch.rand(n, 1, size, size) * 0.3
    mask = torch.zeros(n, size, size, dtype=torch.long)
    for i in range(n):
        for cls, val in ((1, 0.6), (2, 1.0)):
            r, c = torch.randint(0, size - 9, (2,)).tolist()
            img[i, 0, r:r + 9, c:c + 9] = val + 0.1 * torch.randn(9, 9)
            mask[i, r:r + 9, c:c + 9] = cls
    return img, mask


class FCN(nn.Module):
    def __init__(self):
        super().__init__()
        self.enc = nn.Sequential(nn.Conv2d(1, 12, 3, padding=1), nn.ReLU(),
                                 nn.Conv2d(12, 16, 3, padding=1), nn.ReLU())
        self.down = nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU())
        self.head = nn.Conv2d(32, N_CLASSES, 1)

    def forward(self, x):
        e = self.enc(x)
        d = F.interpolate(self.down(e), scale_factor=2, mode="nearest")
        return self.head(torch.cat([e, d], 1))


def mean_iou(pred, target):
    ious = []
    for c in range(N_CLASSES):
        inter = ((pred == c) & (target == c)).sum().item()
        union = ((pred == c) | (target == c)).sum().item()
        ious.append(inter / max(union, 1))
    return sum(ious) / len(ious)


train_x, train_y = make_batch(160)
val_x, val_y = make_batch(48)
net = FCN()
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
for epoch in range(8):
    net.train()
    for idx in torch.randperm(160).split(8):
        out = net(train_x[idx])
        out = out.permute(0, 2, 3, 1).reshape(-1, N_CLASSES)  #@ out = out.view(-1, N_CLASSES)
        loss = criterion(out, train_y[idx].view(-1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    net.eval()
    with torch.no_grad():
        iou = mean_iou(net(val_x).argmax(1), val_y)
    print(f"epoch {epoch}: loss {loss.item():.4f}  val mIoU {iou:.3f}")
