"""LoRA on a frozen pretrained classifier (B starts at zero, so A has no gradient in the first step), merged into the weights for the final evaluation."""
import copy
import math

import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.manual_seed(231)


class LoRALayer(nn.Linear):
    def __init__(self, i, o, r=8, alpha=16):
        super().__init__(i, o)
        self.lora_A, self.lora_B = nn.Parameter(torch.empty(r, i)), nn.Parameter(torch.zeros(o, r))
        nn.init.kaiming_uniform_(self.lora_A, a=math.sqrt(5))
        self.scaling, self.merged = alpha / r, False

    @classmethod
    def wrap(cls, lin, r=8):
        new = cls(lin.in_features, lin.out_features, r)
        new.load_state_dict(lin.state_dict(), strict=False)
        return new

    def forward(self, x):
        out = F.linear(x, self.weight, self.bias)
        return out if self.merged else out + F.linear(F.linear(x, self.lora_A), self.lora_B) * self.scaling

    @torch.no_grad()
    def merge(self):
        self.weight += self.lora_B @ self.lora_A * self.scaling
        self.merged = True


def mark_only_lora_as_trainable(model):
    for n, p in model.named_parameters():
        p.requires_grad = "lora_" in n


def accuracy(m, x, y):
    m.eval()
    with torch.no_grad():
        return (m(x).argmax(1) == y).float().mean().item()


def epochs(m, opt, x, y, n):
    for _ in range(n):
        m.train()
        for b in torch.randperm(len(x)).split(40):
            loss = F.cross_entropy(m(x[b]), y[b])
            opt.zero_grad()
            loss.backward()
            opt.step()
    return loss.item()


d = load_digits()
x, y = torch.tensor(d.data, dtype=torch.float32) / 16, torch.tensor(d.target)
p = torch.randperm(len(x))
x, y = x[p], y[p]
base = nn.Sequential(nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 96), nn.ReLU(), nn.Linear(96, 10))
epochs(base, torch.optim.Adam(base.parameters(), lr=2e-3), x[:800], y[:800], 12)
neg = x.view(-1, 8, 8).transpose(1, 2).reshape(-1, 64)                  # new domain: transposed images
print("base: old domain %.3f, new domain %.3f" % (accuracy(base, x[1400:], y[1400:]), accuracy(base, neg[1400:], y[1400:])))

model = copy.deepcopy(base)
for i in (0, 2, 4):
    model[i] = LoRALayer.wrap(model[i])
mark_only_lora_as_trainable(model)
frozen = model[0].weight.clone()
optimizer = torch.optim.AdamW([q for q in model.parameters() if q.requires_grad], lr=4e-3)
for stage in range(5):
    loss = epochs(model, optimizer, neg[800:1400], y[800:1400], 4)
    print(f"epoch {4 * stage + 4} loss {loss:.4f} new domain {accuracy(model, neg[1400:], y[1400:]):.3f}")
assert torch.equal(frozen, model[0].weight)
before = accuracy(model, neg[1400:], y[1400:])
for i in (0, 2, 4):
    model[i].merge()
print("unmerged %.3f, merged %.3f" % (before, accuracy(model, neg[1400:], y[1400:])))
