"""Self-training: pseudo labels for unlabelled digits after a supervised start with 150 labels."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.manual_seed(20)
X, y = load_digits(return_X_y=True)
X, y = torch.tensor(X / 16, dtype=torch.float32), torch.tensor(y)
p = torch.randperm(len(X))
lab, unl, te = p[:150], p[150:1300], p[1300:]


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.f = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.3))
        self.c = nn.Linear(64, 10)

    def forward(self, x):
        return self.c(self.f(x))


def test_acc(net):
    net.eval()
    with torch.no_grad():
        return (net(X[te]).argmax(1) == y[te]).float().mean().item()


def train(net, opt, x, t, epochs):
    for _ in range(epochs):
        net.train()
        for idx in torch.randperm(len(x)).split(32):
            loss = F.cross_entropy(net(x[idx]), t[idx])
            opt.zero_grad()
            loss.backward()
            opt.step()
    return loss.item()


net = Net()
opt = torch.optim.Adam(net.parameters(), lr=2e-3)
print(f"supervised loss {train(net, opt, X[lab], y[lab], 30):.4f} acc {test_acc(net):.3f}")
for rnd in range(4):
    net.eval()
    with torch.no_grad():
        conf, pseudo = net(X[unl]).softmax(1).max(1)
    keep = conf > 0.95
    xs = torch.cat([X[lab], X[unl][keep]])
    ts = torch.cat([y[lab], pseudo[keep]])
    loss = train(net, opt, xs, ts, 4)
    print(f"round {rnd} kept {int(keep.sum())} loss {loss:.4f} acc {test_acc(net):.3f}")
