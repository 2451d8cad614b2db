#= gradient_zero, poor_init
# own (frequent LoRA re-implementation mistake) A and B are both initialised with zeros, the product has zero gradient for both and the adapter stays zero; right diagnosis: dead adapter initialisation, low-rank parameters receive no gradient.
import math
import torch
from torch import nn
import torch.nn.functional as F
from sklearn.datasets import load_digits


class LoRALinear(nn.Module):
    def __init__(self, base: nn.Linear, r=6, alpha=12):
        super().__init__()
        self.base = base
        for p in self.base.parameters():
            p.requires_grad_(False)
        self.A = nn.Parameter(torch.zeros(r, base.in_features))
        self.B = nn.Parameter(torch.zeros(base.out_features, r))
        self.scaling = alpha / r
        self.reset()

    def reset(self):
        nn.init.kaiming_uniform_(self.A, a=math.sqrt(5))  #@ nn.init.zeros_(self.A)
        nn.init.zeros_(self.B)

    def forward(self, x):
        return self.base(x) + (x @ self.A.T @ self.B.T) * self.scaling


torch.manual_seed(0)
d = load_digits()
x, y = torch.tensor(d.data, dtype=torch.float32) / 16, torch.tensor(d.target)
net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
opt = torch.optim.Adam(net.parameters(), 2e-3)
for _ in range(150):
    i = torch.randint(0, 1200, (64,))
    opt.zero_grad(); F.cross_entropy(net(x[i]), y[i]).backward(); opt.step()

y2 = (y + 3) % 10
x2 = 1 - x
for k in (0, 2, 4):
    net[k] = LoRALinear(net[k])
opt = torch.optim.AdamW([p for p in net.parameters() if p.requires_grad], lr=5e-3, weight_decay=0.01)
for _ in range(300):
    i = torch.randint(0, 1200, (64,))
    loss = F.cross_entropy(net(x2[i]), y2[i])
    opt.zero_grad(); loss.backward(); opt.step()
print("adapted accuracy %.3f" % (net(x2[1200:]).argmax(1) == y2[1200:]).float().mean().item())
