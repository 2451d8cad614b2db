# discrete-time survival (Nnet-survival / LogisticHazard), interval edges from Kaplan-Meier quantiles, Brier score with censoring weights
import numpy as np, torch, torch.nn as nn, torch.nn.functional as F
rng = np.random.RandomState(0); torch.manual_seed(0)
n = 2500; x = rng.randn(n, 6)
shape = 1.6; scale = np.exp(1.5 - .8 * x[:, 0] + .5 * x[:, 1] * x[:, 2])
T = scale * rng.weibull(shape, n); C = rng.uniform(0, 20, n)
time, event = np.minimum(T, C), (T <= C).astype(int)
tr, te = np.arange(1800), np.arange(1800, n)
def kaplan_meier(t, e):
    o = np.argsort(t); t, e = t[o], e[o]; s = np.cumprod(1 - e / np.arange(len(t), 0, -1)); return t, s
kt, ks = kaplan_meier(time[tr], event[tr]); K = 15
cuts = np.unique(np.concatenate([[0.], kt[[min(np.searchsorted(-ks, -q), len(kt) - 1) for q in np.linspace(1, ks.min(), K + 1)[1:]]]]))
K = len(cuts) - 1
def discretise(t, e):
    idx = np.searchsorted(cuts, t, side="left") - 1; e = np.where(t > cuts[-1], 0, e); idx = idx.clip(0, K - 1)
    idx = np.where((e == 0) & (t < cuts[-1]), idx - 1, idx)     # a censored one survived only the whole intervals before
    return torch.tensor(idx), torch.tensor(e, dtype=torch.float32)
def nll_logistic_hazard(phi, idx, e):
    y = F.one_hot(idx.clamp(min=0), K).float() * e.unsqueeze(1)
    m = (torch.arange(K) <= idx.unsqueeze(1)).float()
    return (F.binary_cross_entropy_with_logits(phi, y, reduction="none") * m).sum(1).mean()
X = torch.tensor(x, dtype=torch.float32); itr, etr = discretise(time[tr], event[tr])
net = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.BatchNorm1d(32), nn.Dropout(.1), nn.Linear(32, 32), nn.ReLU(), nn.BatchNorm1d(32), nn.Dropout(.1), nn.Linear(32, K))
opt = torch.optim.AdamW(net.parameters(), lr=5e-3, weight_decay=1e-2)
for ep in range(25):
    net.train()
    for b in torch.randperm(len(tr)).split(128):
        if len(b) < 8: continue
        loss = nll_logistic_hazard(net(X[tr][b]), itr[b], etr[b]); opt.zero_grad(); loss.backward(); opt.step()
net.eval()
with torch.no_grad(): surv = (1 - torch.sigmoid(net(X[te]))).cumprod(1).numpy()
gt, gs = kaplan_meier(time[tr], 1 - event[tr]); G = lambda t: np.interp(t, gt, gs).clip(.05)
def brier(S, k):
    s, t, e = cuts[k + 1], time[te], event[te]
    return np.mean((S ** 2) * ((t <= s) & (e == 1)) / G(t) + ((1 - S) ** 2) * (t > s) / G(s))
ks_te = np.array([np.interp(c, kt, ks) for c in cuts[1:]])
ks_idx = range(1, K - 2)
ibs = np.mean([brier(surv[:, k], k) for k in ks_idx]); ibs0 = np.mean([brier(ks_te[k], k) for k in ks_idx])
print(f"intervals {K} loss {loss.item():.3f} integrated Brier {ibs:.4f} Kaplan-Meier {ibs0:.4f}")
