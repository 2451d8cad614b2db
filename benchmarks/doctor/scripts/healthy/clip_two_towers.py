import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)
A, B = torch.randn(12, 30), torch.randn(12, 24)


def pairs(n):
    z = torch.randn(n, 12)
    return torch.tanh(z @ A / 3.5) + 0.1 * torch.randn(n, 30), torch.tanh(z @ B / 3.5) + 0.1 * torch.randn(n, 24)


class TwoTowers(nn.Module):
    def __init__(self):
        super().__init__()
        self.img = nn.Sequential(nn.Linear(30, 64), nn.ReLU(), nn.Linear(64, 32))
        self.txt = nn.Sequential(nn.Linear(24, 64), nn.ReLU(), nn.Linear(64, 32))
        self.logit_scale = nn.Parameter(torch.tensor(2.0))

    def forward(self, a, b):
        a, b = F.normalize(self.img(a), dim=1), F.normalize(self.txt(b), dim=1)
        return self.logit_scale.exp().clamp(max=100) * a @ b.t()


m = TwoTowers()
decay = [p for p in m.parameters() if p.ndim > 1]
rest = [p for p in m.parameters() if p.ndim <= 1]
opt = torch.optim.AdamW([{"params": decay, "weight_decay": 0.05}, {"params": rest, "weight_decay": 0.0}], lr=2e-3)
for step in range(1, 801):
    logits = m(*pairs(128))
    target = torch.arange(128)
    loss = (F.cross_entropy(logits, target) + F.cross_entropy(logits.t(), target)) / 2
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 160 == 0:
        with torch.no_grad():
            top1 = (m(*pairs(256)).argmax(1) == torch.arange(256)).float().mean().item()
        print(f"step {step} loss {loss.item():.4f} scale {m.logit_scale.exp().item():.2f} top-1 of 256 {top1:.3f}")
