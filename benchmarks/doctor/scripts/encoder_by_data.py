#= parameter_unreached
#: the feature extractor output goes through .data before the head, so the extractor is never trained
"""Two-part model: conv encoder for signals and a head, joint training."""
import math
import torch
import torch.nn as nn
from torch.autograd import Variable

torch.manual_seed(28)


def signals(n, length=64):
    y = torch.randint(0, 3, (n,))
    t = torch.arange(length).float()
    shift = torch.randint(0, 40, (n, 1)).float()
    base = torch.randn(n, length) * 0.5
    env = torch.exp(-0.5 * ((t[None] - shift - 12) / 5) ** 2)
    f = torch.tensor([0.15, 0.25, 0.4])[y][:, None]
    return (base + 2.0 * env * torch.sin(2 * math.pi * f * (t[None] - shift)))[:, None], y


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.c1 = nn.Conv1d(1, 8, 9, padding=4)
        self.c2 = nn.Conv1d(8, 8, 5, padding=2)

    def forward(self, x):
        x = torch.tanh(self.c1(x))
        return torch.relu(self.c2(x)).amax(2)


class Head(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(8, 3)

    def forward(self, f):
        return self.fc(f)


enc, head = Encoder(), Head()
optimizer = torch.optim.Adam(list(enc.parameters()) + list(head.parameters()), lr=5e-3)
criterion = nn.CrossEntropyLoss()
xtr, ytr = signals(1000)
xte, yte = signals(400)
for epoch in range(15):
    for idx in torch.randperm(1000).split(50):
        feats = enc(xtr[idx])
        #+ feats = Variable(feats.data)
        loss = criterion(head(feats), ytr[idx])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 3 == 2:
        with torch.no_grad():
            acc = (head(enc(xte)).argmax(1) == yte).float().mean()
        print("epoch %d loss %.3f test acc %.3f" % (epoch, loss.item(), acc))
