import math
import torch
import torch.nn as nn
from sklearn.datasets import load_digits

torch.manual_seed(0)
max_lr, min_lr, warmup_iters, max_iters = 3e-3, 1e-5, 60, 600


def get_lr(it):
    if it < warmup_iters:
        return max_lr * (it + 1) / warmup_iters
    ratio = (it - warmup_iters) / (max_iters - warmup_iters)
    return min_lr + 0.5 * (1 + math.cos(math.pi * ratio)) * (max_lr - min_lr)


d = load_digits()
x, y = torch.tensor(d.data / 8.0 - 1.0).float(), torch.tensor(d.target)
p = torch.randperm(len(y))
tr, te = p[:1400], p[1400:]
model = nn.Sequential(nn.Linear(64, 96), nn.GELU(), nn.LayerNorm(96), nn.Linear(96, 96), nn.GELU(), nn.Linear(96, 10))
optimizer = torch.optim.AdamW(model.parameters(), lr=0.0, betas=(0.9, 0.95), weight_decay=0.1)
for it in range(max_iters):
    lr = get_lr(it)
    for group in optimizer.param_groups:
        group["lr"] = lr
    idx = tr[torch.randint(0, len(tr), (64,))]
    loss = nn.functional.cross_entropy(model(x[idx]), y[idx])
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    if it % 100 == 99:
        model.eval()
        with torch.no_grad():
            acc = (model(x[te]).argmax(1) == y[te]).float().mean().item()
        model.train()
        print(f"iter {it+1} lr {lr:.6f} loss {loss.item():.4f} acc {acc:.4f}")
