#= unregistered_parameter
#: https://github.com/pytorch/pytorch/issues/666 ; hidden layers are kept in a Python list, so they are not registered and never given to the optimizer; diagnosis: use nn.ModuleList.
import argparse
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

parser = argparse.ArgumentParser()
parser.add_argument('--depth', type=int, default=3)
parser.add_argument('--width', type=int, default=48)
parser.add_argument('--lr', type=float, default=0.05)
parser.add_argument('--epochs', type=int, default=30)
args = parser.parse_args([])
torch.manual_seed(11)

class DeepNet(nn.Module):
    def __init__(self, depth, width):
        super().__init__()
        self.inp = nn.Linear(64, width)
        self.hidden = nn.ModuleList([nn.Linear(width, width) for _ in range(depth)])  #@ self.hidden = [nn.Linear(width, width) for _ in range(depth)]
        self.head = nn.Linear(width, 10)

    def forward(self, x):
        h = F.relu(self.inp(x))
        for layer in self.hidden:
            h = F.relu(layer(h))
        return F.log_softmax(self.head(h), dim=1)

X, y = load_digits(return_X_y=True)
xa, xb, ya, yb = train_test_split(X / 16., y, test_size=.25, random_state=1, stratify=y)
xa, xb = torch.tensor(xa).float(), torch.tensor(xb).float()
ya, yb = torch.tensor(ya), torch.tensor(yb)
net = DeepNet(args.depth, args.width)
sgd = torch.optim.SGD(net.parameters(), lr=args.lr, momentum=0.9)
n_par = sum(p.numel() for p in net.parameters())
for e in range(args.epochs):
    p = torch.randperm(len(xa))
    for i in range(0, len(xa), 32):
        b = p[i:i + 32]
        sgd.zero_grad()
        l = F.nll_loss(net(xa[b]), ya[b])
        l.backward()
        sgd.step()
with torch.no_grad():
    acc = (net(xb).argmax(1) == yb).float().mean()
print('test accuracy %.4f  loss %.3f' % (acc, F.nll_loss(net(xb), yb).item()))
