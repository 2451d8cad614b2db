import torch
import torch.nn as nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from sklearn.datasets import load_digits

torch.manual_seed(0)
d = load_digits()
x, y = torch.tensor(d.images / 16.0).float().unsqueeze(1), torch.tensor(d.target)
p = torch.randperm(len(y))
tr, te = p[:1400], p[1400:]
net = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                    nn.Linear(256, 64), nn.ReLU(), nn.Linear(64, 10))
ema = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(0.98), use_buffers=True)
opt = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
for epoch in range(10):
    net.train()
    for b in tr[torch.randperm(len(tr))].split(40):
        loss = nn.functional.cross_entropy(net(x[b]), y[b])
        opt.zero_grad()
        loss.backward()
        opt.step()
        ema.update_parameters(net)
    net.eval()
    ema.eval()
    with torch.no_grad():
        a = (net(x[te]).argmax(1) == y[te]).float().mean().item()
        e = (ema(x[te]).argmax(1) == y[te]).float().mean().item()
    print(f"epoch {epoch+1} loss {loss.item():.4f} raw {a:.4f} averaged {e:.4f}")
