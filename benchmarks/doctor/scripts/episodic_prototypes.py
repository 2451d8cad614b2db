#= axes_scrambled
# own (prototypical-network re-implementations; axes) the support batch is ordered class by class but reshaped as (k_shot, n_way), so prototypes average different classes; right diagnosis: wrong reshape order of the support set.
import torch
from torch import nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

WAY, SHOT, QUERY = 5, 5, 6
d = load_digits()
x = torch.tensor(d.data, dtype=torch.float32) / 16
pools = [x[torch.tensor(d.target == c)] for c in range(10)]


def episode(gen):
    cls = torch.randperm(10, generator=gen)[:WAY]
    s, q = [], []
    for c in cls.tolist():
        i = torch.randperm(len(pools[c]), generator=gen)[:SHOT + QUERY]
        s.append(pools[c][i[:SHOT]]); q.append(pools[c][i[SHOT:]])
    return torch.cat(s), torch.cat(q), torch.arange(WAY).repeat_interleave(QUERY)


def proto_logits(net, s, q):
    zs = net(s)
    protos = zs.view(WAY, SHOT, -1).mean(1)  #@ protos = zs.view(SHOT, WAY, -1).mean(0)
    return -torch.cdist(net(q), protos).pow(2)


torch.manual_seed(0)
g = torch.Generator().manual_seed(0)
net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 16))
opt = torch.optim.Adam(net.parameters(), lr=1e-3)
for ep in range(200):
    s, q, y = episode(g)
    loss = F.cross_entropy(proto_logits(net, s, q), y)
    opt.zero_grad(); loss.backward(); opt.step()
with torch.no_grad():
    acc = 0
    for _ in range(50):
        s, q, y = episode(g)
        acc += (proto_logits(net, s, q).argmax(1) == y).float().mean().item() / 50
print(f"{WAY}-way {SHOT}-shot accuracy {acc:.3f}")
