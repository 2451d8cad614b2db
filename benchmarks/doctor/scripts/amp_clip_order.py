#= clipping_wrong
# https://github.com/milesial/Pytorch-UNet/issues/468 - clip_grad_norm_ runs before scaler.unscale_, so the norm of the scaled gradient is clipped and the true step is tens of thousands times too small; right: unscale_ first.
import argparse
import torch
import torch.nn as nn
from sklearn.datasets import load_diabetes
from sklearn.preprocessing import StandardScaler

def get_args():
    p = argparse.ArgumentParser()
    p.add_argument('--epochs', type=int, default=40)
    p.add_argument('--lr', type=float, default=0.03)
    p.add_argument('--clip', type=float, default=1.0)
    p.add_argument('--amp', action='store_true', default=True)
    return p.parse_args([])

def main(args):
    torch.manual_seed(1)
    x, y = load_diabetes(return_X_y=True)
    x = torch.tensor(StandardScaler().fit_transform(x), dtype=torch.float32)
    y = torch.tensor((y - y[:340].mean()) / y[:340].std(), dtype=torch.float32)
    net = nn.Sequential(nn.Linear(10, 24), nn.Tanh(), nn.Linear(24, 1))
    opt = torch.optim.SGD(net.parameters(), lr=args.lr)
    scaler = torch.amp.GradScaler('cpu', enabled=args.amp, init_scale=2.**16)
    for epoch in range(args.epochs):
        for i in torch.randperm(340).split(34):
            with torch.autocast('cpu', dtype=torch.bfloat16, enabled=args.amp):
                pred = net(x[i]).squeeze(1)
            loss = nn.functional.mse_loss(pred.float(), y[i])
            opt.zero_grad(set_to_none=True)
            scaler.scale(loss).backward()
            scaler.unscale_(opt)  #@
            nn.utils.clip_grad_norm_(net.parameters(), args.clip)
            scaler.step(opt)
            scaler.update()
    with torch.no_grad():
        p = net(x[340:]).squeeze(1)
    print(f'train loss {loss.item():.3f}  test R2 {1 - ((p - y[340:]) ** 2).mean() / y[340:].var():.3f}')

main(get_args())
