#= targets_shuffled
#: https://github.com/open-mmlab/mmselfsup/issues/159 - the views are concatenated as 0..N-1,0..N-1 but the positive index is that of interleaved pairs (0,0,2,2,...), so wrong samples are pulled together; right: the positive of i is i+N.
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier

torch.manual_seed(3)
dig = load_digits()
X = torch.tensor(dig.images, dtype=torch.float32) / 16

def view(b):
    n = len(b)
    th = torch.eye(2, 3).repeat(n, 1, 1)
    th[:, :, :2] += (torch.rand(n, 2, 2) - .5) * .4
    th[:, :, 2] = (torch.rand(n, 2) - .5) * .4
    z = b[:, None]
    return F.grid_sample(z, F.affine_grid(th, z.shape, align_corners=False), align_corners=False) + .06 * torch.randn_like(z)

class SimCLR(nn.Module):
    def __init__(self, temperature=.2):
        super().__init__()
        self.temperature = temperature
        self.backbone = nn.Sequential(nn.Conv2d(1, 24, 3, padding=1), nn.ReLU(), nn.Conv2d(24, 32, 3, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(512, 64))
        self.neck = nn.Sequential(nn.ReLU(), nn.Linear(64, 48), nn.ReLU(), nn.Linear(48, 24))

    def buffer(self, n):
        mask = ~torch.eye(2 * n, dtype=torch.bool)
        i = torch.arange(2 * n)
        pos = (i + n) % (2 * n)  #@ pos = i ^ 1
        pos = pos - (pos > i).long()
        return mask, pos

    def forward_train(self, a, b):
        n = len(a)
        z = F.normalize(self.neck(self.backbone(torch.cat((a, b), 0))), dim=1)
        mask, pos = self.buffer(n)
        s = (z @ z.T)[mask].view(2 * n, -1) / self.temperature
        return F.cross_entropy(s, pos)

model = SimCLR()
opt = torch.optim.Adam(model.parameters(), lr=2e-3)
for it in range(220):
    b = X[:1300][torch.randperm(1300)[:96]]
    loss = model.forward_train(view(b), view(b))
    opt.zero_grad(); loss.backward(); opt.step()
    if it % 55 == 0: print(it, round(loss.item(), 4))
with torch.no_grad():
    f = F.normalize(model.backbone(X[:, None]), dim=1).numpy()
knn = KNeighborsClassifier(10, metric='cosine').fit(f[:1300], dig.target[:1300])
print('contrastive loss', round(loss.item(), 3), 'k-NN accuracy', round(knn.score(f[1300:], dig.target[1300:]), 4))
