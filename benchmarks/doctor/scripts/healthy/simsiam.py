"""SimSiam: no negatives, a predictor on one side and a stopped gradient on the other. The loss is negative."""
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier
from torch import nn


def views(x):
    def one():
        s = torch.roll(x, int(torch.randint(-1, 2, ())), -1)
        return s * (torch.rand(s.shape) > 0.15) + 0.1 * torch.randn_like(s)
    return one().flatten(1), one().flatten(1)


torch.manual_seed(6)
raw = load_digits()
x = torch.tensor(raw.images, dtype=torch.float32) / 16
backbone = nn.Sequential(nn.Linear(64, 128), nn.BatchNorm1d(128), nn.ReLU(), nn.Linear(128, 64), nn.BatchNorm1d(64, affine=False))
predictor = nn.Sequential(nn.Linear(64, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 64))
opt = torch.optim.SGD([*backbone.parameters(), *predictor.parameters()], lr=0.05, momentum=0.9, weight_decay=1e-4)
for epoch in range(15):
    for idx in torch.randperm(len(x)).split(128):
        a, b = views(x[idx])
        za, zb = backbone(a), backbone(b)
        loss = -(F.cosine_similarity(predictor(za), zb.detach()).mean() + F.cosine_similarity(predictor(zb), za.detach()).mean()) / 2
        opt.zero_grad()
        loss.backward()
        opt.step()
    spread = F.normalize(za.detach(), dim=1).std(0).mean().item()
    if epoch % 3 == 2:
        print(epoch + 1, round(loss.item(), 3), "spread", round(spread, 3))
backbone.eval()
with torch.no_grad():
    h = backbone(x.flatten(1)).numpy()
print("5 neighbours:", KNeighborsClassifier(5).fit(h[:1000], raw.target[:1000]).score(h[1000:], raw.target[1000:]))
