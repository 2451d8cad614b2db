#= validation_differs
#: https://github.com/NetManAIOps/OmniAnomaly/issues/39 the test set is normalised with its own MinMaxScaler instead of the one fitted on train, so levels no longer correspond and anomalies are squashed; a right diagnosis says fit on train, transform both.
"""Server telemetry anomaly detection with a GRU variational model (reconstruction of the last step of each window)."""
import numpy as np, torch
from torch import nn
from sklearn.preprocessing import MinMaxScaler
from sklearn.metrics import f1_score, roc_auc_score

def telemetry(T, seed, incidents=0):
    r = np.random.default_rng(seed); t = np.arange(T)
    load = .5 + .3 * np.sin(2 * np.pi * t / 60) + .05 * r.normal(size=T)
    m = np.stack([load, .8 * load + .1 + .03 * r.normal(size=T), .3 + .1 * np.cos(2 * np.pi * t / 60) + .02 * r.normal(size=T), .2 + .4 * load ** 2 + .02 * r.normal(size=T), .5 + .04 * r.normal(size=T)], 1)
    lab = np.zeros(T, bool)
    for k in range(incidents):
        s = r.integers(40, T - 30); d = r.integers(6, 14); c = r.integers(0, 5)
        m[s:s + d, c] += r.choice([-1, 1]) * r.uniform(.25, 1.0) * (6 if k == 0 else 1); lab[s:s + d] = True
    return m * 100, lab

def preprocess(df, scaler=None):
    if scaler is None:
        scaler = MinMaxScaler().fit(df)
    return scaler.transform(df).astype("float32"), scaler

x_tr, _ = telemetry(2200, 1)
x_te, lab = telemetry(1200, 2, incidents=14)
x_tr, sc = preprocess(x_tr)
x_te, _ = preprocess(x_te, sc)  #@ x_te, _ = preprocess(x_te)
W = 20
win = lambda a: torch.tensor(a).unfold(0, W, 1).transpose(1, 2)
tr, te, y = win(x_tr), win(x_te), lab[W - 1:]

class GRUVAE(nn.Module):
    def __init__(self, d=5, h=32, z=3):
        super().__init__()
        self.enc, self.mu, self.lv = nn.GRU(d, h, batch_first=True), nn.Linear(h, z), nn.Linear(h, z)
        self.dec = nn.Sequential(nn.Linear(z, h), nn.ReLU(), nn.Linear(h, 2 * d))
    def forward(self, x):
        h = self.enc(x)[1][0]; mu, lv = self.mu(h), self.lv(h).clamp(-6, 4)
        z = mu + torch.randn_like(mu) * (0.5 * lv).exp() if self.training else mu
        m, s = self.dec(z).chunk(2, -1); return m, s.clamp(-4, 2), mu, lv
def nll(x, m, s): return 0.5 * ((x[:, -1] - m) / s.exp()) ** 2 + s
torch.manual_seed(0); net = GRUVAE(); opt = torch.optim.Adam(net.parameters(), lr=3e-3)
for ep in range(8):
    net.train(); tot = 0
    for b in torch.randperm(len(tr)).split(64):
        m, s, mu, lv = net(tr[b]); kl = -0.5 * (1 + lv - mu ** 2 - lv.exp()).sum(1).mean()
        loss = nll(tr[b], m, s).sum(1).mean() + 0.01 * kl; opt.zero_grad(); loss.backward(); nn.utils.clip_grad_norm_(net.parameters(), 5.); opt.step(); tot += loss.item()
    if ep % 2 == 0: print(ep, round(tot / 35, 3))
net.eval()
with torch.no_grad():
    score = lambda w: (lambda o: nll(w, o[0], o[1]).amax(1))(net(w)).numpy()
    thr, st = np.quantile(score(tr), .995), score(te)
print(f"threshold {thr:.2f} alarms {np.mean(st > thr):.3f} (true {y.mean():.3f}) F1 {f1_score(y, st > thr):.3f} AUC {roc_auc_score(y, st):.3f}")
