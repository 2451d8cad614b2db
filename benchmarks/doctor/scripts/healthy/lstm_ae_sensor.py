"""LSTM encoder-decoder for multivariate sensor anomalies: decodes backwards, Gaussian on the errors (Malhotra et al.)."""
import numpy as np, torch, torch.nn as nn
from sklearn.metrics import f1_score, roc_auc_score
rng = np.random.default_rng(6); torch.manual_seed(6)
W = 24
def windows(n, bad=False):
    t = np.arange(W); ph = rng.uniform(0, 6.28, n)[:, None]; f = rng.uniform(.9, 1.1, n)[:, None]
    a = np.sin(.4 * f * t + ph); b = np.cos(.4 * f * t + ph) * .7; c = a * b
    z = np.stack([a, b, c], 2) + .05 * rng.normal(size=(n, W, 3))
    lab = np.zeros(n)
    if bad:
        hit = rng.random(n) < .4; lab[hit] = 1
        for i in np.where(hit)[0]:
            s = rng.integers(2, W - 8); k = rng.integers(3)
            if rng.random() < .5: z[i, s:s + 6, k] = z[i, s, k]
            else: z[i, s:s + 4, k] += rng.choice([-1, 1]) * rng.uniform(.6, 1.2)
    return torch.tensor(z, dtype=torch.float32), lab
train, _ = windows(900); vn1, _ = windows(200); vn2, lv2 = windows(200, True); test, lt = windows(400, True)
class EncDec(nn.Module):
    def __init__(s, h=32): super().__init__(); s.enc, s.dec, s.out = nn.LSTM(3, h, batch_first=True), nn.LSTMCell(3, h), nn.Linear(h, 3)
    def forward(s, x):
        _, (h, c) = s.enc(x); h, c = h[0], c[0]; ys = [s.out(h)]
        for t in range(W - 1, 0, -1):
            h, c = s.dec(x[:, t] if s.training else ys[-1], (h, c)); ys.append(s.out(h))
        return torch.stack(ys[::-1], 1)
net = EncDec(); opt = torch.optim.Adam(net.parameters(), 5e-3)
for ep in range(25):
    net.train()
    for b in torch.randperm(900).split(90):
        loss = ((net(train[b]) - train[b]) ** 2).mean(); opt.zero_grad(); loss.backward(); nn.utils.clip_grad_norm_(net.parameters(), 1.); opt.step()
net.eval()
@torch.no_grad()
def errs(x): return (net(x) - x).abs()
e = errs(vn1).reshape(-1, 3); mu = e.mean(0); prec = torch.linalg.inv(torch.cov(e.T) + 1e-5 * torch.eye(3))
score = lambda x: torch.einsum("ntk,kl,ntl->nt", errs(x) - mu, prec, errs(x) - mu).amax(1).numpy()
sv = score(vn2); thr = max(np.quantile(sv, np.linspace(.3, .95, 60)), key=lambda t: f1_score(lv2, sv > t))
st = score(test)
print(f"loss {loss.item():.4f} test F1 {f1_score(lt, st > thr):.3f} AUC {roc_auc_score(lt, st):.3f}")
