# healthy: https://github.com/facebookresearch/vicreg: invariance + variance hinge + covariance terms, expander, no negatives, no momentum; nothing is wrong.
import torch, torch.nn as nn, torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.svm import LinearSVC
from sklearn.preprocessing import StandardScaler
from sklearn.pipeline import make_pipeline

def off_diagonal(x):
    n, m = x.shape
    return x.flatten()[:-1].view(n - 1, n + 1)[:, 1:].flatten()

class VICReg(nn.Module):
    sim_coeff, std_coeff, cov_coeff = 25., 25., 1.
    def __init__(self, rep=64, emb=96):
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(64, 192), nn.BatchNorm1d(192), nn.ReLU(), nn.Linear(192, rep), nn.ReLU())
        self.projector = nn.Sequential(nn.Linear(rep, emb), nn.BatchNorm1d(emb), nn.ReLU(True), nn.Linear(emb, emb, bias=False))
        self.emb = emb
    def forward(self, x, y):
        x, y = self.projector(self.backbone(x)), self.projector(self.backbone(y))
        repr_loss = F.mse_loss(x, y)
        x, y = x - x.mean(0), y - y.mean(0)
        sx, sy = torch.sqrt(x.var(0) + 1e-4), torch.sqrt(y.var(0) + 1e-4)
        std_loss = F.relu(1 - sx).mean() / 2 + F.relu(1 - sy).mean() / 2
        cx, cy = x.T @ x / (len(x) - 1), y.T @ y / (len(y) - 1)
        cov_loss = off_diagonal(cx).pow_(2).sum().div(self.emb) + off_diagonal(cy).pow_(2).sum().div(self.emb)
        return self.sim_coeff * repr_loss + self.std_coeff * std_loss + self.cov_coeff * cov_loss, (repr_loss, std_loss, cov_loss)

torch.manual_seed(0)
d = load_digits()
x = torch.tensor(d.images, dtype=torch.float32) / 16
def aug(b):
    i, j = torch.randint(-1, 2, (2,)).tolist()
    b = b.roll((i, j), (1, 2))
    b = b * (torch.rand_like(b) > .15)
    return (b + .1 * torch.randn_like(b)).flatten(1)

model = VICReg()
opt = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-6)
warm = torch.optim.lr_scheduler.LinearLR(opt, .1, 1., 30)
for it in range(520):
    b = x[:1400][torch.randint(0, 1400, (160,))]
    loss, parts = model(aug(b), aug(b))
    opt.zero_grad(); loss.backward(); opt.step(); warm.step()
    if it % 100 == 0: print(it, round(loss.item(), 3), [round(p.item(), 3) for p in parts])
model.eval()
with torch.no_grad(): f = model.backbone(x.flatten(1)).numpy()
clf = make_pipeline(StandardScaler(), LinearSVC(max_iter=4000, dual=False)).fit(f[:1400], d.target[:1400])
print('linear evaluation accuracy', round(clf.score(f[1400:], d.target[1400:]), 3))
