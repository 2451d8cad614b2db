#= not_in_optimizer
# https://github.com/fastai/fastai/issues/2133 and https://github.com/Lightning-AI/pytorch-lightning/pull/5744 the optimizer holds only parameters that were trainable at creation; after unfreezing the backbone they are never added; right diagnosis: unfrozen parameters are not in the optimizer.
import torch
from torch import nn
from sklearn.datasets import load_digits

torch.manual_seed(0)
d = load_digits()
X = torch.tensor(d.images, dtype=torch.float32)[:, None] / 16
Y = torch.tensor(d.target)


def make_backbone():
    return nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 12, 3, padding=1), nn.ReLU(), nn.Flatten())


def fit(model, opt, x, y, steps, bs=50):
    for _ in range(steps):
        i = torch.randint(0, len(x), (bs,))
        loss = nn.functional.cross_entropy(model(x[i]), y[i])
        opt.zero_grad()
        loss.backward()
        opt.step()


backbone = make_backbone()
low = Y < 2
pre = nn.Sequential(backbone, nn.Linear(192, 2))
fit(pre, torch.optim.Adam(pre.parameters(), 2e-3), X[low], Y[low], 60)

for p in backbone.parameters():
    p.requires_grad = False
turned = torch.rot90(1 - X, 1, (2, 3))
model = nn.Sequential(backbone, nn.Linear(192, 10))
optimizer = torch.optim.Adam(filter(lambda p: p.requires_grad, model.parameters()), lr=3e-3)
fit(model, optimizer, turned[:1200], Y[:1200], 40)
for p in backbone.parameters():
    p.requires_grad = True
optimizer.add_param_group({"params": list(backbone.parameters()), "lr": 3e-3})  #@
fit(model, optimizer, turned[:1200], Y[:1200], 160)
with torch.no_grad():
    out = model(turned[1200:])
print("fine-tuned accuracy %.3f loss %.3f" % ((out.argmax(1) == Y[1200:]).float().mean().item(), nn.functional.cross_entropy(out, Y[1200:]).item()))
