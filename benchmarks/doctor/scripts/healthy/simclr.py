# healthy: https://github.com/sthalles/SimCLR (info_nce_loss with the positives in column 0) on digits, then a linear probe on the frozen encoder; nothing is wrong.
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

torch.manual_seed(0)
X, y = load_digits(return_X_y=True)
X = torch.tensor(X, dtype=torch.float32).view(-1, 1, 8, 8) / 16
perm = torch.randperm(len(X), generator=torch.Generator().manual_seed(5))
tr, te = perm[:1400], perm[1400:]


def augment(x):
    n = x.size(0)
    ang = (torch.rand(n) - .5) * .7
    sc = 1 + (torch.rand(n) - .5) * .3
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0] = ang.cos() * sc; theta[:, 0, 1] = -ang.sin() * sc
    theta[:, 1, 0] = ang.sin() * sc; theta[:, 1, 1] = ang.cos() * sc
    theta[:, :, 2] = (torch.rand(n, 2) - .5) * .5
    x = F.grid_sample(x, F.affine_grid(theta, x.shape, align_corners=False), align_corners=False)
    return (x * (.7 + .6 * torch.rand(n, 1, 1, 1)) + .05 * torch.randn_like(x))


class SimCLR:
    def __init__(self, temperature=.2):
        self.t = temperature
        self.encoder = nn.Sequential(nn.Conv2d(1, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.Conv2d(32, 64, 3, stride=2, padding=1), nn.BatchNorm2d(64), nn.ReLU(), nn.Flatten(), nn.Linear(64 * 16, 64))
        self.head = nn.Sequential(nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 32))
        self.opt = torch.optim.Adam([*self.encoder.parameters(), *self.head.parameters()], lr=1e-3, weight_decay=1e-4)
        self.sched = torch.optim.lr_scheduler.CosineAnnealingLR(self.opt, T_max=165)

    def info_nce_loss(self, features):
        n = features.size(0) // 2
        labels = torch.cat([torch.arange(n)] * 2)
        labels = (labels[None] == labels[:, None]).float()
        features = F.normalize(features, dim=1)
        sim = features @ features.T
        mask = torch.eye(2 * n, dtype=torch.bool)
        labels = labels[~mask].view(2 * n, -1)
        sim = sim[~mask].view(2 * n, -1)
        positives = sim[labels.bool()].view(2 * n, -1)
        negatives = sim[~labels.bool()].view(2 * n, -1)
        logits = torch.cat([positives, negatives], dim=1)
        return logits / self.t, torch.zeros(2 * n, dtype=torch.long)

    def train(self, x, epochs):
        for ep in range(epochs):
            order = torch.randperm(len(x))
            tot = hit = n = 0
            for b in order.split(128):
                if len(b) < 64: continue
                views = torch.cat([augment(x[b]), augment(x[b])], dim=0)
                logits, labels = self.info_nce_loss(self.head(self.encoder(views)))
                loss = F.cross_entropy(logits, labels)
                self.opt.zero_grad(); loss.backward(); self.opt.step(); self.sched.step()
                tot += loss.item(); hit += (logits.argmax(1) == labels).float().mean().item(); n += 1
            if ep % 5 == 0: print(f'epoch {ep} loss {tot / n:.3f} top1 {hit / n:.3f}')


m = SimCLR()
m.train(X[tr], 15)
m.encoder.eval()
with torch.no_grad():
    f = m.encoder(X).numpy()
lr = LogisticRegression(max_iter=2000).fit(f[tr], y[tr])
print('linear probe accuracy', round(lr.score(f[te], y[te]), 4))
