# healthy: momentum encoder without gradients, negatives from a detached queue, label is always 0
import copy
import torch
from torch import nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier

class MoCo(nn.Module):
    def __init__(self, k=512, m=0.95, t=0.2):
        super().__init__()
        self.q = nn.Sequential(nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 24))
        self.k = copy.deepcopy(self.q).requires_grad_(False)
        self.register_buffer("queue", F.normalize(torch.randn(k, 24), dim=1))
        self.ptr, self.m, self.t = 0, m, t
    def forward(self, a, b):
        q = F.normalize(self.q(a), dim=1)
        with torch.no_grad():
            for pq, pk in zip(self.q.parameters(), self.k.parameters()):
                pk.mul_(self.m).add_(pq, alpha=1 - self.m)
            k = F.normalize(self.k(b), dim=1)
        logits = torch.cat([(q * k).sum(1, keepdim=True), q @ self.queue.clone().T], 1) / self.t
        self.queue[self.ptr:self.ptr + len(k)] = k
        self.ptr = (self.ptr + len(k)) % len(self.queue)
        return logits

torch.manual_seed(0)
d = load_digits(); x = torch.tensor(d.data, dtype=torch.float32) / 16
aug = lambda b: (b + 0.2 * torch.randn_like(b)) * (torch.rand_like(b) > 0.2)
net = MoCo()
opt = torch.optim.Adam(net.q.parameters(), 2e-3)
for it in range(200):
    b = x[torch.randint(0, 1400, (64,))]
    loss = F.cross_entropy(net(aug(b), aug(b)), torch.zeros(64, dtype=torch.long))
    opt.zero_grad(); loss.backward(); opt.step()
f = net.q(x).detach().numpy()
print("kNN accuracy %.3f" % KNeighborsClassifier(5).fit(f[:1400], d.target[:1400]).score(f[1400:], d.target[1400:]))
