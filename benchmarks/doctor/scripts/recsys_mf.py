#= double_softmax
#: https://github.com/yudi-mars/daisyRec/pull/15 ; forward already applies a sigmoid and BCEWithLogitsLoss applies it again, so probabilities stay in [0.5,0.73]; diagnosis: double sigmoid.
import torch, numpy as np
import torch.nn as nn
from sklearn.metrics import roc_auc_score
torch.manual_seed(3); rng = np.random.default_rng(3)
U, I, K = 120, 80, 6
P, Q = rng.normal(size=(U, K)), rng.normal(size=(I, K))
aff = P @ Q.T / np.sqrt(K) - 1.0
uu, ii = np.meshgrid(np.arange(U), np.arange(I), indexing="ij")
uu, ii = uu.ravel(), ii.ravel()
yy = (rng.random(U * I) < 1 / (1 + np.exp(-4 * aff.ravel()))).astype(np.float32)
perm = rng.permutation(U * I); tr, te = perm[:7000], perm[7000:]
class MF(nn.Module):
    def __init__(self, nu, ni, k=8):
        super().__init__()
        self.u = nn.Embedding(nu, k); self.v = nn.Embedding(ni, k)
        self.bu = nn.Embedding(nu, 1); self.bi = nn.Embedding(ni, 1)
        self.mu = nn.Parameter(torch.zeros(1))
        for e in (self.u, self.v): nn.init.normal_(e.weight, std=0.3)
        for e in (self.bu, self.bi): nn.init.zeros_(e.weight)
    def forward(self, a, b):
        s = (self.u(a) * self.v(b)).sum(-1) + self.bu(a).squeeze(-1) + self.bi(b).squeeze(-1) + self.mu
        return s  #@ return torch.sigmoid(s)
A, B, Y = (torch.as_tensor(z) for z in (uu, ii, yy))
m = MF(U, I); opt = torch.optim.Adam(m.parameters(), lr=0.02, weight_decay=2e-4)
crit = nn.BCEWithLogitsLoss()
for ep in range(4):
    order = torch.as_tensor(rng.permutation(tr))
    tot = 0
    for j in range(0, len(order), 256):
        k = order[j:j + 256]
        loss = crit(m(A[k], B[k]), Y[k])
        opt.zero_grad(); loss.backward(); opt.step(); tot += loss.item() * len(k)
    print(f"epoch {ep} loss {tot/len(order):.4f}")
with torch.no_grad():
    s = m(A[te], B[te]); p = torch.sigmoid(s)
    ll = nn.functional.binary_cross_entropy(p, Y[te]).item()
print(f"test auc {roc_auc_score(yy[te], s.numpy()):.3f} logloss {ll:.3f} acc {((p>0.5).float()==Y[te]).float().mean():.3f}")
