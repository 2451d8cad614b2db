import torch, torch.nn as nn, torch.nn.functional as F
from sklearn.datasets import load_digits
torch.manual_seed(0)
d = load_digits(); X = torch.tensor(d.images).float()[:, None] / 16; Y = torch.tensor(d.target); pool = {}
for c in range(10):
    for r in range(4): pool[c * 4 + r] = torch.rot90(X[Y == c], r, (2, 3))
train_c = [k for k in pool if k // 4 < 7]; test_c = [k for k in pool if k // 4 >= 7]
enc = nn.Sequential(nn.Conv2d(1, 24, 3, padding=1), nn.BatchNorm2d(24), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(24, 48, 3, padding=1), nn.BatchNorm2d(48), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
def episode(cls, way=5, shot=1, query=6):
    c = torch.tensor(cls)[torch.randperm(len(cls))[:way]].tolist(); S, Q = [], []
    for k in c: i = torch.randperm(len(pool[k])); S.append(pool[k][i[:shot]]); Q.append(pool[k][i[shot:shot + query]])
    z = enc(torch.cat(S + Q)); proto = z[:way * shot].view(way, shot, -1).mean(1); lg = -torch.cdist(z[way * shot:], proto) ** 2; t = torch.arange(way).repeat_interleave(query); return F.cross_entropy(lg, t), (lg.argmax(1) == t).float().mean()
def test(n=60):
    enc.eval()
    with torch.no_grad(): a = torch.stack([episode(test_c)[1] for _ in range(n)]).mean().item()
    enc.train(); return a
a0 = test(); opt = torch.optim.Adam(enc.parameters(), 2e-3); sch = torch.optim.lr_scheduler.StepLR(opt, 150, .5)
for ep in range(400): loss, acc = episode(train_c); opt.zero_grad(); loss.backward(); opt.step(); sch.step()
print('5-way 1-shot accuracy on unseen classes: untrained %.3f trained %.3f' % (a0, test()))
