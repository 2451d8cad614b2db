# healthy: gradient accumulation with summed losses divided by the total number of valid positions of the window
import torch
from torch import nn
import torch.nn.functional as F
torch.manual_seed(0)
V, PAD = 9, 0
def batch(n, l):
    s = torch.randint(1, V, (n, l))
    ln = torch.randint(3, l + 1, (n,))
    y = (torch.cumsum(s, 1) % (V - 1)) + 1
    m = torch.arange(l)[None] >= ln[:, None]
    return s.masked_fill(m, PAD), y.masked_fill(m, -100)
class Tag(nn.Module):
    def __init__(self):
        super().__init__()
        self.e, self.r, self.o = nn.Embedding(V, 16, padding_idx=PAD), nn.GRU(16, 48, batch_first=True), nn.Linear(48, V)
    def forward(self, x):
        return self.o(self.r(self.e(x))[0])
net = Tag()
opt = torch.optim.Adam(net.parameters(), 8e-3)
for upd in range(150):
    micro = [batch(16, 6) for _ in range(3)]
    total = sum((y != -100).sum() for _, y in micro)
    for x, y in micro:
        (F.cross_entropy(net(x).flatten(0, 1), y.flatten(), ignore_index=-100, reduction="sum") / total).backward()
    nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    opt.step()
    opt.zero_grad(set_to_none=True)
x, y = batch(200, 6)
k = y != -100
print("token accuracy %.3f" % (net(x).argmax(-1)[k] == y[k]).float().mean().item())
