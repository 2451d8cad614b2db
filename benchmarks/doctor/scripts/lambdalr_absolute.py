#= schedule_wrong
#: LambdaLR function returns an absolute learning rate, but it is multiplied with the optimizer's rate: lr is ~1e-6
"""Concrete strength regression with warmup and linear decay."""
import torch
import torch.nn as nn
from torch.optim.lr_scheduler import LambdaLR

torch.manual_seed(44)
BASE_LR, WARMUP, TOTAL = 3e-3, 50, 900


def concrete(n):
    cement, water, age = 150 + 350 * torch.rand(n), 130 + 100 * torch.rand(n), torch.randint(3, 100, (n,)).float()
    slag, plast = 150 * torch.rand(n), 15 * torch.rand(n)
    ratio = water / (cement + 0.6 * slag)
    strength = 75 * torch.exp(-1.4 * ratio) * torch.log1p(age) / 3.2 + 0.3 * plast + torch.randn(n)
    return torch.stack([cement, water, age, slag, plast], 1), strength.unsqueeze(1)


X, y = concrete(1200)
mean, std = X[:900].mean(0), X[:900].std(0)
X = (X - mean) / std
ymean, ystd = y[:900].mean(), y[:900].std()
target = (y - ymean) / ystd


def lr_schedule(step):
    if step < WARMUP:
        factor = (step + 1) / WARMUP
    else:
        factor = max(0.02, (TOTAL - step) / (TOTAL - WARMUP))
    return factor  #@ return BASE_LR * factor


model = nn.Sequential(nn.Linear(5, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU(), nn.Linear(64, 1))
optimizer = torch.optim.AdamW(model.parameters(), lr=BASE_LR, weight_decay=1e-3)
scheduler = LambdaLR(optimizer, lr_lambda=lr_schedule)
huber = nn.HuberLoss()

step = 0
while step < TOTAL:
    for idx in torch.randperm(900).split(45):
        loss = huber(model(X[idx]), target[idx])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        scheduler.step()
        step += 1
        if step >= TOTAL:
            break
    if step % 180 == 0:
        with torch.no_grad():
            pred = model(X[900:]) * ystd + ymean
            rmse = (pred - y[900:]).pow(2).mean().sqrt().item()
        print(f"step {step:4d} lr {scheduler.get_last_lr()[0]:.2e} loss {loss.item():.4f} test rmse {rmse:.2f} MPa")

ss_res = (pred - y[900:]).pow(2).sum()
ss_tot = (y[900:] - y[900:].mean()).pow(2).sum()
print("test R2 %.3f" % (1 - ss_res / ss_tot).item())
