# DeepAR: autoregressive LSTM, per-series scale from the conditioning window, negative-binomial counts, ancestral sampling
import numpy as np, torch, torch.nn as nn
torch.manual_seed(3); rng = np.random.default_rng(3)
S, T, COND, PRED = 80, 110, 28, 7
lev = rng.lognormal(2.5, 1.0, S)[:, None]; t = np.arange(T)
rate = lev * np.exp(.5 * np.sin(2 * np.pi * t / 7 + rng.uniform(0, 1, (S, 1))))
Y = rng.poisson(rate * rng.gamma(12, 1 / 12, (S, T))).astype("float32")
dow = np.eye(7)[t % 7].astype("float32")
Yt, D = torch.tensor(Y), torch.tensor(dow)
class DeepAR(nn.Module):
    def __init__(s, h=32):
        super().__init__(); s.rnn = nn.LSTM(1 + 7 + 1, h, 2, batch_first=True); s.mu, s.alpha = nn.Linear(h, 1), nn.Linear(h, 1)
    def params(s, o, v):
        mu = nn.functional.softplus(s.mu(o)).squeeze(-1) * v; al = nn.functional.softplus(s.alpha(o)).squeeze(-1) / v.sqrt() + 1e-4
        return mu, al
    def forward(s, lag, cov, v, st=None):
        x = torch.cat([(lag / v).unsqueeze(-1), cov, v.log().unsqueeze(-1).expand(*lag.shape, 1)], -1)
        o, st = s.rnn(x, st); return (*s.params(o, v), st)
def nb(mu, al):
    r = 1 / al; return torch.distributions.NegativeBinomial(total_count=r, logits=(mu * al).log())
def windows(n, hi):
    s = rng.choice(S, n, p=(lev / lev.sum())[:, 0] * .5 + .5 / S); c = rng.integers(1, hi - COND - PRED + 1, n)
    idx = torch.tensor(c)[:, None] + torch.arange(COND + PRED); sv = torch.tensor(s)[:, None]
    return Yt[sv, idx - 1], D[idx], Yt[sv, idx]
net = DeepAR(); opt = torch.optim.Adam(net.parameters(), 5e-3)
for it in range(220):
    lag, cov, y = windows(48, T - PRED)
    v = 1 + y[:, :COND].mean(1, keepdim=True)
    mu, al, _ = net(lag, cov, v); loss = -nb(mu, al).log_prob(y).mean()
    opt.zero_grad(); loss.backward(); nn.utils.clip_grad_norm_(net.parameters(), 10.); opt.step()
    if it % 60 == 0: print(it, round(loss.item(), 3))
net.eval()
with torch.no_grad():
    a = T - PRED - COND; v = 1 + Yt[:, a:T - PRED].mean(1, keepdim=True)
    _, _, st = net(Yt[:, a - 1:T - PRED - 1], D[a:T - PRED].expand(S, -1, -1), v)
    R = 60; st = tuple(z.repeat_interleave(R, 1) for z in st); v = v.repeat_interleave(R, 0); last = Yt[:, T - PRED - 1:T - PRED].repeat_interleave(R, 0); out = []
    for k in range(T - PRED, T):
        mu, al, st = net(last, D[k].expand(S * R, 1, 7), v, st); last = nb(mu, al).sample(); out.append(last)
    sim = torch.cat(out, 1).view(S, R, PRED); truth = Yt[:, T - PRED:]
    lo, md, hi = (sim.quantile(q, 1) for q in (.1, .5, .9))
    cov80 = ((truth >= lo) & (truth <= hi)).float().mean(); wape = (truth - md).abs().sum() / truth.sum(); naive = (truth - Yt[:, T - 2 * PRED:T - PRED]).abs().sum() / truth.sum()
print(f"80% interval coverage {cov80:.3f} WAPE {wape:.3f} seasonal naive {naive:.3f}")
