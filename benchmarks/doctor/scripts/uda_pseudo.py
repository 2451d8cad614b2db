#= target_not_detached
# own (consistency training / SimSiam re-implementations) the stop-gradient of the target branch is missing, together with no predictor asymmetry the embeddings collapse to a constant; right diagnosis: representation collapse by missing detach.
import torch
from torch import nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier

torch.manual_seed(0)
d = load_digits()
x = torch.tensor(d.data, dtype=torch.float32) / 16


class SimSiam(nn.Module):
    def __init__(self, h=64):
        super().__init__()
        self.enc = nn.Sequential(nn.Linear(64, h), nn.BatchNorm1d(h), nn.ReLU(), nn.Linear(h, h), nn.BatchNorm1d(h, affine=False))
        self.pred = nn.Sequential(nn.Linear(h, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, h))

    @staticmethod
    def D(p, z):
        return -F.cosine_similarity(p, z.detach(), dim=-1).mean()  #@ return -F.cosine_similarity(p, z, dim=-1).mean()

    def forward(self, a, b):
        z1, z2 = self.enc(a), self.enc(b)
        return 0.5 * (self.D(self.pred(z1), z2) + self.D(self.pred(z2), z1))


def aug(b):
    return (b + 0.15 * torch.randn_like(b)) * (torch.rand_like(b) > 0.15)


net = SimSiam()
opt = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
for it in range(250):
    b = x[torch.randint(0, 1400, (128,))]
    loss = net(aug(b), aug(b))
    opt.zero_grad(); loss.backward(); opt.step()
net.eval()
with torch.no_grad():
    f = F.normalize(net.enc(x), dim=1)
    acc = KNeighborsClassifier(5).fit(f[:1400].numpy(), d.target[:1400]).score(f[1400:].numpy(), d.target[1400:])
    s = torch.linalg.svdvals(f - f.mean(0)); p = s / s.sum()
print("kNN accuracy %.3f, effective rank %.1f" % (acc, torch.exp(-(p * p.clamp(min=1e-9).log()).sum()).item()))
