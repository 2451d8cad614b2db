#= parameter_unchanged
# own (pure bf16 training; forum reports of stalled loss) parameters and Adam state are kept in bfloat16, updates smaller than the rounding step vanish; right diagnosis: low-precision weights swallow the updates, keep float32 master weights with autocast.
import torch
from torch import nn
import torch.nn.functional as F
from dataclasses import dataclass
from sklearn.datasets import load_diabetes


@dataclass
class Args:
    lr: float = 3e-4
    epochs: int = 30
    bs: int = 34
    width: int = 64


def build(a):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(10, a.width), nn.GELU(), nn.LayerNorm(a.width), nn.Linear(a.width, a.width), nn.GELU(), nn.LayerNorm(a.width), nn.Linear(a.width, 1))


def main(a=Args()):
    d = load_diabetes()
    x = torch.tensor(d.data, dtype=torch.float32) * 21
    y = torch.tensor((d.target - d.target.mean()) / d.target.std(), dtype=torch.float32)[:, None] + 4.0
    net = build(a)
    net = net.float()  #@ net = net.bfloat16()
    opt = torch.optim.AdamW(net.parameters(), lr=a.lr, weight_decay=1e-2)
    for ep in range(a.epochs):
        for i in torch.randperm(340).split(a.bs):
            with torch.autocast("cpu", dtype=torch.bfloat16):
                out = net(x[i])
            loss = F.mse_loss(out.float(), y[i])
            opt.zero_grad()
            loss.backward()
            opt.step()
    net = net.float().eval()
    with torch.no_grad():
        print("train mse %.4f  test mse %.4f" % (F.mse_loss(net(x[:340]), y[:340]).item(), F.mse_loss(net(x[340:]), y[340:]).item()))


if __name__ == "__main__":
    main()
