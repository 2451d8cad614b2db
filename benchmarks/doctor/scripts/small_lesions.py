#= class_imbalance
# many "my U-Net predicts only background" questions (e.g. https://laganvalleydup.co.uk/post/u-net-segmentor-only-identifies-background-class): 1.5 % of the pixels are foreground and the loss is not weighted; a right diagnosis names the imbalance (weight or Dice).
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)


def scans(n, s=24):
    """faint 3x3 spots on a noisy ground"""
    x = torch.randn(n, 1, s, s)
    m = torch.zeros(n, 1, s, s)
    for i in range(n):
        r, c = torch.randint(1, s - 4, (2,)).tolist()
        m[i, 0, r:r + 3, c:c + 3] = 1
    return x + 1.5 * m, m


class SmallUNet(nn.Module):
    def __init__(self, c=12):
        super().__init__()
        self.e1 = nn.Sequential(nn.Conv2d(1, c, 5, padding=2), nn.ReLU())
        self.e2 = nn.Sequential(nn.Conv2d(c, 2 * c, 3, padding=1), nn.ReLU())
        self.d1 = nn.Sequential(nn.Conv2d(3 * c, c, 3, padding=1), nn.ReLU())
        self.out = nn.Conv2d(c, 1, 1)

    def forward(self, x):
        a = self.e1(x)
        b = self.e2(F.max_pool2d(a, 2))
        b = F.interpolate(b, scale_factor=2, mode="nearest")
        return self.out(self.d1(torch.cat([a, b], 1)))


train_x, train_m = scans(480)
val_x, val_m = scans(120)
print("foreground share %.4f" % train_m.mean().item())
model = SmallUNet()
pos_weight = (1 - train_m).sum() / train_m.sum()
criterion = nn.BCEWithLogitsLoss(pos_weight=pos_weight)  #@ criterion = nn.BCEWithLogitsLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(1, 9):
    model.train()
    tot = 0.0
    for b in torch.randperm(len(train_x)).split(24):
        loss = criterion(model(train_x[b]), train_m[b])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        tot += loss.item()
    model.eval()
    with torch.no_grad():
        p = (model(val_x) > 0).float()
        recall = ((p * val_m).sum() / val_m.sum()).item()
        specificity = (((1 - p) * (1 - val_m)).sum() / (1 - val_m).sum()).item()
    print(f"epoch {epoch} loss {tot/20:.4f} recall {recall:.3f} specificity {specificity:.3f} pixel accuracy {(p == val_m).float().mean():.4f}")
