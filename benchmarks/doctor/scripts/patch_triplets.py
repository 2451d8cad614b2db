#= gradient_zero
# https://github.com/jinnnju/PaAno/issues/1 the masked diagonal becomes +inf in distance space and is always chosen by max as the negative, so the loss is zero for every sample; right diagnosis: triplet loss constantly zero because of the mask.
import torch, torch.nn as nn, torch.nn.functional as F
from sklearn.metrics import roc_auc_score
torch.manual_seed(4)

def windows(n, kind):
    t = torch.linspace(0, 6.28, 32)
    ph = torch.rand(n, 1) * 6.28
    base = torch.sin((2.0 if kind == 0 else 3.0) * t + ph) + (0.5 * torch.sign(torch.sin(5 * t + ph)) if kind == 2 else 0)
    return base + 0.3 * torch.randn(n, 32)

class PatchNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv1d(1, 16, 5, padding=2), nn.ReLU(), nn.Conv1d(16, 16, 5, padding=2), nn.ReLU())
        self.out = nn.Linear(16, 8)
    def forward(self, x):
        return F.normalize(self.out(self.body(x[:, None]).mean(-1)), dim=1)

net = PatchNet()
opt = torch.optim.Adam(net.parameters(), lr=3e-3)
for step in range(250):
    kinds = torch.randint(0, 3, (48,))
    a = torch.stack([windows(1, k.item())[0] for k in kinds])
    p = torch.stack([windows(1, k.item())[0] for k in kinds])
    za, zp = net(a), net(p)
    sim = za @ za.T
    pos_dist = 1 - (za * zp).sum(1)
    masked = sim.masked_fill(kinds[:, None] == kinds[None, :], -float("inf"))
    neg_dist = (1 - masked).min(1).values  #@ neg_dist = (1 - masked).max(1).values
    loss = F.relu(pos_dist - neg_dist + 0.5).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
with torch.no_grad():
    proto = torch.stack([net(windows(50, k)).mean(0) for k in range(3)])
    acc = sum((net(windows(100, k)) @ proto.T).argmax(1).eq(k).float().mean().item() for k in range(3)) / 3
print(f"prototype accuracy {acc:.3f}")
