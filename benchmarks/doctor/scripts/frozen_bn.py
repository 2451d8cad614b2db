#= frozen_changed, norm_statistics_stale
#: https://github.com/kdexd/virtex/issues/16 and https://github.com/lightly-ai/lightly/issues/1438 - requires_grad=False does not stop BatchNorm's running statistics; training the second head in .train() shifts them and the first task breaks; right: backbone.eval() while frozen.
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.manual_seed(0)
d = load_digits()
x = torch.tensor(d.images, dtype=torch.float32)[:, None] / 16
y = torch.tensor(d.target)
tr, te = slice(0, 1300), slice(1300, None)
inv = .35 * (1 - x)                     # task B: faint inverted pictures, odd or even


class TwoTasks(nn.Module):
    def __init__(self):
        super().__init__()
        c = lambda i, o, s: nn.Sequential(nn.Conv2d(i, o, 3, s, 1, bias=False), nn.BatchNorm2d(o), nn.ReLU())
        self.backbone = nn.Sequential(c(1, 16, 1), c(16, 32, 2), c(32, 32, 1), nn.Flatten())
        self.a, self.b = nn.Linear(512, 10), nn.Linear(512, 2)

    def forward(self, z, head):
        return getattr(self, head)(self.backbone(z))


@torch.no_grad()
def score(m, z, t, head):
    m.eval()
    return (m(z, head).argmax(1) == t).float().mean().item()


def run(m, params, z, t, head, epochs, lr, prepare):
    opt = torch.optim.Adam(params, lr=lr)
    for _ in range(epochs):
        prepare()
        for b in torch.randperm(1300).split(65):
            loss = F.cross_entropy(m(z[tr][b], head), t[tr][b])
            opt.zero_grad(); loss.backward(); opt.step()
    return loss.item()


net = TwoTasks()
run(net, net.parameters(), x, y, 'a', 5, 2e-3, net.train)
before = score(net, x[te], y[te], 'a')
print('task A after its own training', round(before, 4))
for p in net.backbone.parameters():
    p.requires_grad = False


def prepare_b():
    net.train()
    net.backbone.eval()  #@


run(net, net.b.parameters(), inv, y % 2, 'b', 10, 2e-3, prepare_b)
print(f'task B {score(net, inv[te], y[te] % 2, "b"):.4f}, task A {score(net, x[te], y[te], "a"):.4f}')
