# healthy: weighted sampling balances the classes and the decision threshold is corrected back to the true prior
import math
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, WeightedRandomSampler
from sklearn.metrics import average_precision_score, f1_score
torch.manual_seed(0)
def make(n):
    y = (torch.rand(n) < 0.06).long()
    x = torch.randn(n, 6); x[:, 0] += 2.6 * y; x[:, 3] -= 2.2 * y
    return x, y
x, y = make(2500); xt, yt = make(2500)
w = (1.0 / torch.bincount(y).float())[y]
dl = DataLoader(TensorDataset(x, y), batch_size=50, sampler=WeightedRandomSampler(w, 4000, replacement=True))
net = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 1))
opt = torch.optim.Adam(net.parameters(), 5e-3)
for epoch in range(5):
    for xb, yb in dl:
        opt.zero_grad(); nn.functional.binary_cross_entropy_with_logits(net(xb).squeeze(1), yb.float()).backward(); opt.step()
prior = y.float().mean().item()
with torch.no_grad():
    s = net(xt).squeeze(1) + math.log(prior / (1 - prior))
print("average precision %.3f, F1 %.3f" % (average_precision_score(yt, s), f1_score(yt, (s > 0).long())))
