"""Sparse mixture of experts with top-2 routing and a load-balancing term; some experts see few tokens per step."""
from dataclasses import dataclass

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(111)


@dataclass
class MoEConfig:
    dim: int = 16
    hidden: int = 32
    num_experts: int = 8
    top_k: int = 2
    aux_weight: float = 0.02


class MoELayer(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        self.cfg = cfg
        self.gate = nn.Linear(cfg.dim, cfg.num_experts, bias=False)
        self.experts = nn.ModuleList(nn.Sequential(nn.Linear(cfg.dim, cfg.hidden), nn.GELU(), nn.Linear(cfg.hidden, cfg.dim)) for _ in range(cfg.num_experts))

    def forward(self, x):
        probs = self.gate(x).softmax(-1)
        w, idx = probs.topk(self.cfg.top_k, dim=-1)
        w = w / w.sum(-1, keepdim=True)
        out = torch.zeros_like(x)
        for e, expert in enumerate(self.experts):
            tok, slot = torch.where(idx == e)
            if len(tok):
                out.index_add_(0, tok, expert(x[tok]) * w[tok, slot, None])
        load = F.one_hot(idx, self.cfg.num_experts).float().sum(1).mean(0) / self.cfg.top_k
        aux = self.cfg.num_experts * (load.detach() * probs.mean(0)).sum()
        return x + out, aux, load


class Model(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        self.inp, self.moe = nn.Linear(10, cfg.dim), MoELayer(cfg)
        self.norm, self.out = nn.LayerNorm(cfg.dim), nn.Linear(cfg.dim, 1)

    def forward(self, x):
        h, aux, load = self.moe(self.inp(x))
        return self.out(self.norm(h)).squeeze(-1), aux, load


mode_w = torch.randn(4, 6)


def piecewise(n):
    mode = torch.randint(0, 4, (n,))
    x = torch.randn(n, 6)
    y = (x * mode_w[mode]).sum(1)
    return torch.cat([x, F.one_hot(mode, 4).float() * 2], 1), y + 0.05 * torch.randn(n)


cfg = MoEConfig()
model = Model(cfg)
opt = torch.optim.AdamW(model.parameters(), lr=4e-3)
sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, 400)
x_tr, y_tr = piecewise(3200)
x_te, y_te = piecewise(500)
for epoch in range(8):
    model.train()
    for b in torch.randperm(3200).split(64):
        pred, aux, load = model(x_tr[b])
        loss = F.mse_loss(pred, y_tr[b]) + cfg.aux_weight * aux
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        sched.step()
    model.eval()
    with torch.no_grad():
        pred, aux, load = model(x_te)
    print(f"epoch {epoch} loss {loss.item():.4f} test R2 {1 - F.mse_loss(pred, y_te).item() / y_te.var().item():.4f} aux {aux:.3f} load {load.min():.2f}..{load.max():.2f}")
