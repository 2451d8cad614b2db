# healthy: GradScaler starts with a huge scale, first steps are skipped; unscale before clipping
import torch
from torch import nn
from sklearn.datasets import load_digits
torch.manual_seed(0)
d = load_digits(); x, y = torch.tensor(d.data, dtype=torch.float32) / 16, torch.tensor(d.target)
net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
opt = torch.optim.SGD(net.parameters(), 0.2, momentum=0.9)
scaler = torch.amp.GradScaler("cpu", init_scale=2.0 ** 127, growth_interval=100)
for it in range(200):
    i = torch.randint(0, 1400, (64,))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = net(x[i])
    loss = nn.functional.cross_entropy(out.float(), y[i]) * 4
    opt.zero_grad()
    scaler.scale(loss).backward()
    scaler.unscale_(opt)
    nn.utils.clip_grad_norm_(net.parameters(), 2.0)
    scaler.step(opt); scaler.update()
print("accuracy %.3f" % (net(x[1400:]).argmax(1) == y[1400:]).float().mean().item())
