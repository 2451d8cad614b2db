#= unregistered_parameter, parameter_unreached
#: https://github.com/benedekrozemberczki/pytorch_geometric_temporal/issues/80 - the produced weight is wrapped in nn.Parameter before use, which cuts the graph, so the weight generator gets no gradient; right: use the tensor itself.
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.manual_seed(7)
d = load_digits()
X = torch.tensor(d.images, dtype=torch.float32) / 16
Y = torch.tensor(d.target)


class DynamicConv(nn.Module):
    """3x3 filters written by a small net from the rotation angle"""

    def __init__(self, out=12):
        super().__init__()
        self.gen = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, out * 9))
        self.out = out
        self.weight = None

    def forward(self, x, code):
        w = self.gen(code).view(self.out, 1, 3, 3)
        #+ w = nn.Parameter(w)
        self.weight = w
        return F.conv2d(x, self.weight, padding=1)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = DynamicConv()
        self.bn = nn.BatchNorm2d(12)
        self.pool = nn.AdaptiveMaxPool2d(2)
        self.fc = nn.Linear(48, 10)

    def forward(self, x, k):
        code = F.one_hot(torch.tensor([k]), 4).float()
        x = torch.rot90(x, k, (1, 2))[:, None]
        return self.fc(self.pool(torch.relu(self.bn(self.first(x, code)))).flatten(1))


net = Net()
opt = torch.optim.Adam(net.parameters(), lr=4e-3)
for epoch in range(26):
    net.train(); tot = 0
    for i, b in enumerate(torch.randperm(1300).split(50)):
        loss = F.cross_entropy(net(X[b], i % 4), Y[b])
        opt.zero_grad(); loss.backward(); opt.step()
        tot += loss.item()
    if epoch % 6 == 0: print(f'epoch {epoch} loss {tot / 26:.4f}')
net.eval()
with torch.no_grad():
    acc = [(net(X[1300:], k).argmax(1) == Y[1300:]).float().mean().item() for k in range(4)]
print('accuracy per rotation', [round(a, 3) for a in acc], 'mean', round(sum(acc) / 4, 4))
