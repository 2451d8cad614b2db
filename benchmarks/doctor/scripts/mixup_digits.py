#= targets_shuffled
# https://github.com/xudonmao/VMT/issues/1 two separate shuffles are used for the mixed images and labels; right diagnosis: mixup partner of the label is not the partner of the image.
import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import load_digits

rng = np.random.default_rng(0)
torch.manual_seed(0)
digits = load_digits()
x = torch.from_numpy(digits.data).float() / 16
y = nn.functional.one_hot(torch.from_numpy(digits.target), 10).float()
order = torch.randperm(len(x))
train_i, test_i = order[:800], order[800:]

model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)


def mixup(xb, yb, alpha=1.0):
    lam = float(rng.beta(alpha, alpha))
    p = torch.randperm(len(xb))
    q = p  #@ q = torch.randperm(len(xb))
    return lam * xb + (1 - lam) * xb[p], lam * yb + (1 - lam) * yb[q]


for epoch in range(25):
    for b in train_i[torch.randperm(len(train_i))].split(64):
        xb, yb = mixup(x[b], y[b])
        logp = model(xb).log_softmax(1)
        loss = -(yb * logp).sum(1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

with torch.no_grad():
    lp = model(x[test_i]).log_softmax(1)
    print("test nll %.3f acc %.3f" % (-(y[test_i] * lp).sum(1).mean().item(), (lp.argmax(1) == y[test_i].argmax(1)).float().mean().item()))
