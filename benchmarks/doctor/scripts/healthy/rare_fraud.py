import numpy as np, torch, torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset, WeightedRandomSampler
from sklearn.metrics import average_precision_score, roc_auc_score
rng = np.random.default_rng(2); torch.manual_seed(2)
n = 4000; y = (rng.random(n) < .03).astype(np.float32); X = rng.normal(size=(n, 8)).astype(np.float32); X[y == 1, :3] += 1.6; X[y == 1, 3] *= 2
X, y = torch.tensor(X), torch.tensor(y)
tr, te = slice(0, 2800), slice(2800, None)
w = torch.where(y[tr] == 1, 1 / y[tr].sum(), 1 / (1 - y[tr]).sum())
dl = DataLoader(TensorDataset(X[tr], y[tr]), batch_size=56, sampler=WeightedRandomSampler(w, 2800, replacement=True))
net = nn.Sequential(nn.Linear(8, 24), nn.ReLU(), nn.Linear(24, 1)); opt = torch.optim.Adam(net.parameters(), 2e-3, weight_decay=1e-3)
prior = np.log(.03 / .97)
for ep in range(3):
    for xb, yb in dl:
        loss = nn.functional.binary_cross_entropy_with_logits(net(xb).squeeze(1), yb); opt.zero_grad(); loss.backward(); opt.step()
with torch.no_grad(): z = net(X[te]).squeeze(1) + prior
print('ROC-AUC %.3f, average precision %.3f, mean probability %.3f for a rate of %.3f' % (roc_auc_score(y[te], z), average_precision_score(y[te], z), z.sigmoid().mean(), y[te].mean()))
