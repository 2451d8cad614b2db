#= evaluation_wrong
# (own case, often asked on forums) the reconstruction error is reduced over the whole batch, so all samples of a batch share one anomaly score; right: mean over the feature axis only.
import numpy as np
import torch
import torch.nn as nn
from sklearn.metrics import roc_auc_score

np.random.seed(9); torch.manual_seed(9)


def pump(n, broken=False):
    t = np.linspace(0, 4 * np.pi, 40)
    ph = np.random.rand(n, 1) * 2 * np.pi
    x = np.sin(t + ph) + .4 * np.sin(3 * t + 2 * ph) + np.random.randn(n, 40) * .1
    if broken:
        k = np.random.randint(5, 30, n)
        for i in range(n):
            x[i, k[i]:k[i] + 6] += np.random.choice([-1, 1]) * 1.2
    return torch.tensor(x, dtype=torch.float32)


class AE(nn.Module):
    def __init__(self):
        super().__init__()
        self.e = nn.Sequential(nn.Linear(40, 32), nn.ReLU(), nn.Linear(32, 4))
        self.d = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 40))

    def forward(self, x):
        return self.d(self.e(x))


@torch.no_grad()
def anomaly_scores(model, x, batch=50):
    model.eval()
    out = []
    for b in x.split(batch):
        err = (model(b) - b) ** 2
        out.append(err.mean(dim=1))  #@ out.append(err.mean().expand(len(b)))
    return torch.cat(out).numpy()


normal = pump(1200)
ae = AE()
opt = torch.optim.Adam(ae.parameters(), lr=3e-3)
for epoch in range(30):
    for i in torch.randperm(1000).split(50):
        loss = nn.functional.mse_loss(ae(normal[i]), normal[i])
        opt.zero_grad(); loss.backward(); opt.step()
x = torch.cat([normal[1000:], pump(100, True)])
y = np.r_[np.zeros(200), np.ones(100)]
o = np.random.permutation(300)
s = anomaly_scores(ae, x[o])
thr = np.quantile(anomaly_scores(ae, normal[:1000]), .97)
print('ROC-AUC %.3f  flagged faulty pumps %.3f' % (roc_auc_score(y[o], s), (s[y[o] == 1] > thr).mean()))
