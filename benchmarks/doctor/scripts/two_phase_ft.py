#= not_in_optimizer
#: https://theneuralbase.com/pytorch/learn/intermediate/freezing-base-model-weights/ ; phase two unfreezes the backbone but goes on with the optimizer that was built from the head's parameters only; diagnosis: add the unfrozen parameters to the optimizer.
import torch, torch.nn as nn, torch.nn.functional as F
from sklearn.datasets import load_digits
torch.manual_seed(0)
d = load_digits(); img = torch.tensor(d.images, dtype=torch.float32)[:, None] / 16; lab = torch.tensor(d.target)
src = lab < 5; tgt = lab >= 5
backbone = nn.Sequential(nn.Conv2d(1, 12, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(12, 16, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
def fit(net, opt, x, y, epochs, bs=32):
    for _ in range(epochs):
        for b in torch.randperm(len(x)).split(bs):
            opt.zero_grad(); F.cross_entropy(net(x[b]), y[b]).backward(); opt.step()
net = nn.Sequential(backbone, nn.Linear(16, 5))
fit(net, torch.optim.Adam(net.parameters(), 3e-3), img[src], lab[src], 8)
xt = torch.flip(img[tgt], (3,)); yt = lab[tgt] - 5; p = torch.randperm(len(xt)); tr, te = p[:500], p[500:]
acc = lambda: (net(xt[te]).argmax(1) == yt[te]).float().mean().item()
net[1] = nn.Linear(16, 5)
for q in backbone.parameters(): q.requires_grad = False
opt = torch.optim.Adam([q for q in net.parameters() if q.requires_grad], 5e-3)
fit(net, opt, xt[tr], yt[tr], 8); print('phase 1 acc %.3f' % acc())
for q in backbone.parameters(): q.requires_grad = True
opt = torch.optim.Adam([{'params': backbone.parameters(), 'lr': 2e-3}, {'params': net[1].parameters(), 'lr': 2e-3}])  #@ opt.param_groups[0]['lr'] = 2e-3
fit(net, opt, xt[tr], yt[tr], 15); print('phase 2 acc %.3f' % acc())
