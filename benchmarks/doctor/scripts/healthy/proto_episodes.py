import torch, torch.nn as nn
from sklearn.datasets import load_digits
torch.manual_seed(0)
d = load_digits(); X = torch.tensor(d.data / 16 - .3, dtype=torch.float32); Y = torch.tensor(d.target)
by = {c: X[Y == c] for c in range(10)}
def episode(classes, way=3, shot=5, query=8):
    cs = [classes[i] for i in torch.randperm(len(classes))[:way]]
    s, q = zip(*[(by[c][p[:shot]], by[c][p[shot:shot + query]]) for c in cs for p in [torch.randperm(len(by[c]))]])
    return torch.stack(s), torch.cat(q), torch.arange(way).repeat_interleave(query)
net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 24))
opt = torch.optim.Adam(net.parameters(), 1e-3)
def logits(s, q):
    return -torch.cdist(net(q), net(s).mean(1)).square()
for ep in range(220):
    s, q, t = episode([1, 2, 3, 5, 7, 8, 9])
    loss = nn.functional.cross_entropy(logits(s, q), t)
    opt.zero_grad(); loss.backward(); opt.step()
with torch.no_grad():
    acc = sum((logits(s, q).argmax(1) == t).float().mean().item() for s, q, t in (episode([0, 4, 6]) for _ in range(60))) / 60
print('3-way 5-shot accuracy on unseen digits %.3f' % acc)
