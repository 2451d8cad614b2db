#= term_without_gradient
# https://github.com/LeeJunHyun/Image_Segmentation/issues/86 and https://github.com/qubvel-org/segmentation_models.pytorch/pull/611 the soft prediction is thresholded before the Dice loss, so the Dice term has no gradient; right diagnosis: thresholding cuts the graph of the dice loss.
import torch
import torch.nn as nn

torch.manual_seed(0)


def lesions(n, size=20):
    m = torch.zeros(n, 1, size, size)
    for k in range(n):
        a, b = torch.randint(1, size - 3, (2,)).tolist()
        m[k, 0, a:a + 2, b:b + 3] = 1.0
    return 1.1 * m + 0.45 * torch.randn_like(m), m


class DiceLoss(nn.Module):
    def __init__(self, smooth=1.0, threshold=0.5):
        super().__init__()
        self.smooth, self.threshold = smooth, threshold

    def forward(self, prob, target):
        prob = prob.flatten(1)  #@ prob = (prob > self.threshold).float().flatten(1)
        target = target.flatten(1)
        inter = (prob * target).sum(1)
        return 1 - ((2 * inter + self.smooth) / (prob.sum(1) + target.sum(1) + self.smooth)).mean()


class Seg(nn.Module):
    def __init__(self):
        super().__init__()
        self.f = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU())
        self.o = nn.Conv2d(8, 1, 1)

    def forward(self, x):
        return torch.sigmoid(self.o(self.f(x)))


net, dice, bce = Seg(), DiceLoss(), nn.BCELoss()
opt = torch.optim.SGD(net.parameters(), lr=0.3, momentum=0.9)
x, m = lesions(300)
for ep in range(8):
    for i in torch.randperm(300).split(20):
        p = net(x[i])
        loss = dice(p, m[i]) + 0.1 * bce(p, m[i])
        opt.zero_grad(); loss.backward(); opt.step()
xt, mt = lesions(150)
with torch.no_grad():
    print("hard dice %.3f" % (1 - DiceLoss(smooth=1e-6)((net(xt) > 0.5).float(), mt)).item())
