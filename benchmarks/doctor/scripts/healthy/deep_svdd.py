# Deep SVDD, soft boundary: AE pre-training, no biases in the encoder, centre fixed after one pass, radius from a quantile each epoch
import numpy as np, torch, torch.nn as nn
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import roc_auc_score
torch.manual_seed(7); rng = np.random.RandomState(7)
X, y = load_breast_cancer(return_X_y=True); ben, mal = np.where(y == 1)[0], np.where(y == 0)[0]
rng.shuffle(ben); tr = ben[:250]; te = np.r_[ben[250:], mal]
mu, sd = X[tr].mean(0), X[tr].std(0); Z = torch.tensor(((X - mu) / sd).clip(-8, 8), dtype=torch.float32)
enc = nn.Sequential(nn.Linear(30, 32, bias=False), nn.LeakyReLU(.1), nn.Linear(32, 16, bias=False), nn.LeakyReLU(.1), nn.Linear(16, 8, bias=False))
dec = nn.Sequential(nn.Linear(8, 32), nn.LeakyReLU(.1), nn.Linear(32, 30))
ae = torch.optim.Adam([*enc.parameters(), *dec.parameters()], 2e-3, weight_decay=1e-6)
for _ in range(40):
    for b in torch.randperm(len(tr)).split(64):
        x = Z[tr][b]; l = ((dec(enc(x)) - x) ** 2).sum(1).mean(); ae.zero_grad(); l.backward(); ae.step()
print("pretraining reconstruction", round(l.item() / 30, 3))
with torch.no_grad():
    c = enc(Z[tr]).mean(0); c[(c.abs() < .1) & (c < 0)] = -.1; c[(c.abs() < .1) & (c >= 0)] = .1
R, nu, warm = torch.tensor(0.), 0.1, 5
opt = torch.optim.AdamW(enc.parameters(), 5e-4, weight_decay=1e-4); sch = torch.optim.lr_scheduler.MultiStepLR(opt, [20], .1)
for ep in range(30):
    for b in torch.randperm(len(tr)).split(64):
        d = ((enc(Z[tr][b]) - c) ** 2).sum(1)
        loss = R ** 2 + (1 / nu) * torch.relu(d - R ** 2).mean()
        opt.zero_grad(); loss.backward(); opt.step()
        if ep >= warm: R = torch.quantile(d.detach().sqrt(), 1 - nu)
    sch.step()
with torch.no_grad(): s = ((enc(Z[te]) - c) ** 2).sum(1) - R ** 2
print(f"radius {R:.3f} AUC malignant vs benign {roc_auc_score(1 - y[te], s):.3f}")
