#= gradient_zero
#: both LoRA factors start at zero: the adapters receive no gradient at all (cosmos-predict2.5 PR 15, relora issue 18)
"""Fine-tuning a frozen pretrained digit net to a changed labelling with LoRA adapters in the hidden layers."""
import math

import torch
import torch.nn as nn
from sklearn.datasets import load_digits

torch.manual_seed(19)


class LoRALinear(nn.Module):
    def __init__(self, base: nn.Linear, r: int = 4, alpha: float = 8.0):
        super().__init__()
        self.base = base
        for p in self.base.parameters():
            p.requires_grad = False
        self.lora_A = nn.Parameter(torch.zeros(r, base.in_features))
        self.lora_B = nn.Parameter(torch.zeros(base.out_features, r))
        self.scaling = alpha / r
        self.reset_parameters()

    def reset_parameters(self):
        nn.init.kaiming_uniform_(self.lora_A, a=math.sqrt(5))  #@ nn.init.zeros_(self.lora_A)
        nn.init.zeros_(self.lora_B)

    def forward(self, x):
        return self.base(x) + (x @ self.lora_A.T @ self.lora_B.T) * self.scaling


def make_net():
    return nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))


def fit(net, params, x, y, epochs, lr):
    opt = torch.optim.AdamW(params, lr=lr)
    for ep in range(epochs):
        for b in torch.randperm(len(x)).split(32):
            loss = nn.functional.cross_entropy(net(x[b]), y[b])
            opt.zero_grad()
            loss.backward()
            opt.step()
        if ep % 3 == 2:
            print(f"   epoch {ep + 1} loss {loss.item():.4f}")


def accuracy(net, x, y):
    with torch.no_grad():
        return (net(x).argmax(1) == y).float().mean().item()


d = load_digits()
x, y = torch.tensor(d.data, dtype=torch.float32) / 16, torch.tensor(d.target)
p = torch.randperm(len(x))
x, y = x[p], y[p]
net = make_net()
print("pretraining")
fit(net, net.parameters(), x[:700], y[:700], 9, 2e-3)
print("pretrained accuracy %.3f" % accuracy(net, x[1400:], y[1400:]))

swap = torch.tensor([0, 1, 7, 3, 9, 5, 8, 2, 6, 4])               # the new customer numbers some classes differently
y2 = swap[y]
for name in ("0", "2"):
    setattr(net, name, LoRALinear(getattr(net, name)))
for q in net[4].parameters():
    q.requires_grad = False
lora = [q for q in net.parameters() if q.requires_grad]
print("trainable", sum(q.numel() for q in lora), "of", sum(q.numel() for q in net.parameters()), "; accuracy before", round(accuracy(net, x[1400:], y2[1400:]), 3))
fit(net, lora, x[700:1400], y2[700:1400], 24, 5e-3)
print("accuracy on the new labelling %.3f" % accuracy(net, x[1400:], y2[1400:]))
