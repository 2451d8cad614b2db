# variational graph autoencoder; message passing sees only the training edges, positive weighting, AP/AUC on hidden links
import numpy as np, torch, torch.nn as nn, torch.nn.functional as F
from sklearn.metrics import roc_auc_score, average_precision_score
np.random.seed(1); torch.manual_seed(1)
N = 240; pos = np.random.rand(N, 2); D = np.linalg.norm(pos[:, None] - pos[None], axis=2)
full = np.triu(np.random.rand(N, N) < .9 * np.exp(-(D / .09) ** 2), 1)
e = np.argwhere(full); np.random.shuffle(e); nt, nv = int(.1 * len(e)), int(.05 * len(e))
e_test, e_val, e_tr = e[:nt], e[nt:nt + nv], e[nt + nv:]
non = np.argwhere(np.triu(~full, 1)); np.random.shuffle(non); n_test, n_val = non[:nt], non[nt:nt + nv]
A = torch.zeros(N, N); A[e_tr[:, 0], e_tr[:, 1]] = 1; A = A + A.T
Ah = A + torch.eye(N); dd = Ah.sum(1).rsqrt(); An = dd[:, None] * Ah * dd
X = torch.eye(N)
pw = (N * N - A.sum()) / A.sum(); norm = N * N / ((N * N - A.sum()) * 2)
label = A + torch.eye(N)
class VGAE(nn.Module):
    def __init__(self, h=32, z=16):
        super().__init__(); g = lambda a, b: nn.Parameter(nn.init.xavier_uniform_(torch.empty(a, b)))
        self.w0, self.wm, self.ws = g(N, h), g(h, z), g(h, z)
    def encode(self, x):
        h = F.relu(An @ (x @ self.w0)); self.mu, self.ls = An @ (h @ self.wm), An @ (h @ self.ws)
        return self.mu + torch.randn_like(self.mu) * self.ls.exp() if self.training else self.mu
    def forward(self, x): z = self.encode(x); return z @ z.T
net = VGAE(); opt = torch.optim.Adam(net.parameters(), lr=0.01)
def score(p, n):
    net.eval()
    with torch.no_grad(): s = net(X).numpy()
    v = np.r_[s[p[:, 0], p[:, 1]], s[n[:, 0], n[:, 1]]]; t = np.r_[np.ones(len(p)), np.zeros(len(n))]
    return roc_auc_score(t, v), average_precision_score(t, v)
for ep in range(200):
    net.train(); logits = net(X)
    rec = norm * F.binary_cross_entropy_with_logits(logits, label, pos_weight=pw)
    kl = -(0.5 / N) * (1 + 2 * net.ls - net.mu ** 2 - (2 * net.ls).exp()).sum(1).mean()
    loss = rec + kl; opt.zero_grad(); loss.backward(); opt.step()
    if ep % 50 == 49: print(ep, round(loss.item(), 4), "val AUC %.3f AP %.3f" % score(e_val, n_val))
print("test AUC %.3f AP %.3f" % score(e_test, n_test))
