# WTTE-RNN: a GRU emits Weibull (alpha, beta) for the time to the next event at every step; censored at the end of each history
import numpy as np, torch, torch.nn as nn
np.random.seed(1); torch.manual_seed(1)
N, T = 500, 40
ev = np.zeros((N, T), bool); gap = np.random.choice([3, 6, 10], N)
for i in range(N):
    t = np.random.randint(gap[i])
    while t < T: ev[i, t] = True; t += max(1, gap[i] + np.random.randint(-1, 2))
tte = np.zeros((N, T), "float32"); unc = np.zeros((N, T), "float32")
for i in range(N):
    nxt, seen = T, False
    for t in range(T - 1, -1, -1):
        tte[i, t], unc[i, t] = nxt - t, seen          # time from t to the next event strictly after t
        if ev[i, t]: nxt, seen = t, True
x = torch.tensor(ev.astype("float32")).unsqueeze(-1); y, u = torch.tensor(tte), torch.tensor(unc)
tr, te = slice(0, 400), slice(400, None)
init_alpha = -1.0 / np.log(1.0 - 1.0 / (float(tte[:400].mean()) + 1.0))
class Wtte(nn.Module):
    def __init__(s): super().__init__(); s.rnn = nn.GRU(1, 24, batch_first=True); s.out = nn.Linear(24, 2)
    def forward(s, x):
        z = s.out(torch.tanh(s.rnn(x)[0])); return init_alpha * z[..., 0].exp(), 4.0 * torch.sigmoid(z[..., 1] - 1.1)
def loglik(a, b, y, u):
    h0, h1 = (((y + 1e-9) / a) ** b), ((y + 1) / a) ** b
    return u * torch.log(torch.expm1((h1 - h0).clamp(max=60)) + 1e-9) - h1
net = Wtte(); opt = torch.optim.Adam(net.parameters(), lr=1e-2); w = (torch.arange(T) >= 2).float()
for ep in range(25):
    tot = 0
    for b in torch.randperm(400).split(50):
        a, be = net(x[tr][b]); loss = -(loglik(a, be, y[tr][b] - 1, u[tr][b]) * w).mean()
        opt.zero_grad(); loss.backward(); nn.utils.clip_grad_value_(net.parameters(), .5); opt.step(); tot += loss.item()
    if ep % 6 == 0: print(ep, round(tot / 8, 3))
with torch.no_grad():
    a, b = net(x[te]); med = a * np.log(2) ** (1 / b); m = (u[te] > 0) & (torch.arange(T) >= 15)
    mae = (med - (y[te] - .5)).abs()[m].mean(); base = (y[te][m] - y[tr][u[tr] > 0].median()).abs().mean()
print(f"median TTE error {mae:.2f} constant median {base:.2f}")
