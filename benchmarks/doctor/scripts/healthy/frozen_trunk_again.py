# healthy: backbone frozen and kept in eval mode during training on purpose, only the head is in the optimizer
import torch
from torch import nn
from sklearn.datasets import load_digits
torch.manual_seed(0)
d = load_digits()
X = torch.tensor(d.images, dtype=torch.float32)[:, None] / 16
Y = torch.tensor(d.target)
trunk = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.Flatten())
first = nn.Linear(256, 5)
o = torch.optim.Adam([*trunk.parameters(), *first.parameters()], 3e-3)
low = Y < 5
for _ in range(60):
    i = torch.randint(0, int(low.sum()), (48,))
    o.zero_grad(); nn.functional.cross_entropy(first(trunk(X[low][i])), Y[low][i]).backward(); o.step()
for p in trunk.parameters():
    p.requires_grad_(False)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk, self.head = trunk, nn.Linear(256, 10)

    def train(self, mode=True):
        super().train(mode)
        self.trunk.eval()
        return self

    def forward(self, x):
        with torch.no_grad():
            f = self.trunk(x)
        return self.head(f)


net = Net().train()
opt = torch.optim.Adam(net.head.parameters(), lr=5e-3)
for _ in range(120):
    i = torch.randint(0, 1400, (64,))
    loss = nn.functional.cross_entropy(net(X[i]), Y[i])
    opt.zero_grad(); loss.backward(); opt.step()
net.eval()
print("head accuracy %.3f" % (net(X[1400:]).argmax(1) == Y[1400:]).float().mean().item())
