#= schedule_wrong
#: https://github.com/md-mohaiminul/ViS4mer/issues/4 ; ReduceLROnPlateau (default mode min) is fed the accuracy, so each improvement counts as a bad epoch and the rate is cut until nothing moves; diagnosis: mode='max' for accuracy.
import torch, torch.nn as nn
from torch.optim.lr_scheduler import ReduceLROnPlateau
torch.manual_seed(0)
T = 40
def waves(n):
    t = torch.linspace(0, 1, T); y = torch.randint(0, 4, (n,))
    f = torch.tensor([3., 4., 5., 6.])[y][:, None] + .2 * torch.randn(n, 1); ph = 6.28 * torch.rand(n, 1)
    return (torch.sin(6.283 * f * t + ph) + .8 * torch.randn(n, T))[:, None], y
xtr, ytr = waves(1200); xva, yva = waves(400)
net = nn.Sequential(nn.Conv1d(1, 16, 9, padding=4), nn.ReLU(), nn.MaxPool1d(2), nn.Conv1d(16, 32, 9, padding=4), nn.ReLU(), nn.AdaptiveMaxPool1d(1), nn.Flatten(), nn.Linear(32, 4))
opt = torch.optim.SGD(net.parameters(), lr=.004, momentum=.9)
sched = ReduceLROnPlateau(opt, mode='max', factor=.3, patience=3)  #@ sched = ReduceLROnPlateau(opt, factor=.3, patience=3)
for ep in range(36):
    net.train()
    for b in torch.randperm(1200).split(60):
        opt.zero_grad(); nn.functional.cross_entropy(net(xtr[b]), ytr[b]).backward(); opt.step()
    net.eval()
    with torch.no_grad(): acc = (net(xva).argmax(1) == yva).float().mean().item()
    sched.step(acc)
    if ep % 6 == 5: print('epoch', ep + 1, 'val acc %.3f' % acc, 'lr %.1e' % opt.param_groups[0]['lr'])
