#= targets_shuffled
# https://github.com/stelzner/monet/issues/1 the target mask is N x W x H while the prediction is N x H x W; on square images this is silent and the network learns a transposed mask; right diagnosis: height and width axes of the target are swapped.
import torch
from torch import nn
import torch.nn.functional as F

S = 12


class ShapeLoader:
    def __init__(self, n, seed):
        self.g = torch.Generator().manual_seed(seed)
        self.n = n

    def __iter__(self):
        for _ in range(self.n):
            canvas = torch.zeros(24, S, S)
            for k in range(24):
                x, y, w = (torch.randint(0, S - 3, (1,), generator=self.g).item() for _ in range(3))
                canvas[k, y:y + 2, x:x + 2 + w // 2] = 1
            yield canvas + 0.4 * torch.randn(canvas.shape, generator=self.g), canvas


class MaskHead(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Conv2d(1, 10, 3, padding=1), nn.Conv2d(10, 10, 3, padding=1), nn.Conv2d(10, 1, 1)

    def forward(self, x):
        return self.c(F.relu(self.b(F.relu(self.a(x))))).squeeze(1)


torch.manual_seed(0)
net = MaskHead()
opt = torch.optim.Adam(net.parameters(), 1e-2)
for img, mask in ShapeLoader(130, 1):
    pred = net(img.unsqueeze(1))
    target = mask.contiguous()  #@ target = mask.permute(0, 2, 1).contiguous()
    loss = F.binary_cross_entropy_with_logits(pred, target)
    opt.zero_grad()
    loss.backward()
    opt.step()
inter = union = 0
with torch.no_grad():
    for img, mask in ShapeLoader(8, 2):
        p = net(img.unsqueeze(1)) > 0
        inter += (p & (mask > 0)).sum().item()
        union += (p | (mask > 0)).sum().item()
print(f"IoU {inter / union:.3f}")
