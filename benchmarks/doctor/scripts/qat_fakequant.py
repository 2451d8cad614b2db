#= term_without_gradient
# https://github.com/huggingface/optimum-quanto/issues/146 and https://github.com/Justin-Tan/generative-compression/issues/27 the fake-quantised weight is used directly without straight-through estimator, so quantised layers get zero gradient; right diagnosis: missing STE, weights behind round() are not trained.
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits


def fake_quant(w, bits=4):
    scale = w.detach().abs().max() / (2 ** (bits - 1) - 1)
    q = torch.clamp(torch.round(w / scale), -(2 ** (bits - 1) - 1), 2 ** (bits - 1) - 1) * scale.detach()
    return w + (q - w).detach()  #@ return q


class QLinear(nn.Linear):
    def forward(self, x):
        return F.linear(x, fake_quant(self.weight), self.bias)


torch.manual_seed(0)
d = load_digits()
x, y = torch.tensor(d.data, dtype=torch.float32) / 16, torch.tensor(d.target)
net = nn.Sequential(QLinear(64, 48), nn.ReLU(), QLinear(48, 48), nn.ReLU(), QLinear(48, 10))
opt = torch.optim.Adam(net.parameters(), lr=2e-3)
for epoch in range(30):
    for b in torch.randperm(1400).split(70):
        loss = F.cross_entropy(net(x[b]), y[b])
        opt.zero_grad()
        loss.backward()
        opt.step()
with torch.no_grad():
    print("4-bit accuracy %.3f" % (net(x[1400:]).argmax(1) == y[1400:]).float().mean().item())
