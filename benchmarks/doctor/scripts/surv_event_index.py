#= mask_as_indices
#: https://github.com/Novartis/torchsurv/issues/117 the log-likelihood terms are indexed with an integer 0/1 event vector instead of a boolean mask, so only elements 0 and 1 are taken over and over; a right diagnosis says index with event.bool() (or multiply).
import numpy as np
import torch
from torch import nn

rng = np.random.default_rng(3)
torch.manual_seed(3)
n = 1400
age, grade, dose = rng.normal(size=n), rng.integers(0, 3, n), rng.uniform(-1, 1, n)
noise = rng.normal(size=(n, 5))
eta = 0.8 * age + 0.6 * (grade == 2) - 1.2 * dose * (grade > 0)
t_event = rng.exponential(np.exp(-eta) * 8)
t_cens = rng.exponential(15, n)
time = np.minimum(t_event, t_cens)
event = (t_event <= t_cens).astype(np.int64)
X = np.column_stack([age, grade, dose, noise]).astype("float32")
mu, sd = X[:1000].mean(0), X[:1000].std(0)
X = torch.from_numpy((X - mu) / sd)
time, event = torch.tensor(time), torch.tensor(event)
train, test = slice(0, 1000), slice(1000, None)


def partial_likelihood(log_hz, ev, tm):
    order = torch.argsort(tm)
    log_hz, ev = log_hz[order], ev[order]
    denom = torch.logcumsumexp(log_hz.flip(0), dim=0).flip(0)
    return (log_hz - denom)[ev.bool()]  #@ return (log_hz - denom)[ev]


def concordance(risk, tm, ev):
    comparable = (tm[:, None] < tm[None, :]) & (ev[:, None] == 1)
    return (risk[:, None] > risk[None, :])[comparable].double().mean().item()


net = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 1))
optimiser = torch.optim.Adam(net.parameters(), lr=3e-3, weight_decay=1e-4)
for epoch in range(25):
    net.train()
    running = 0.0
    for idx in torch.randperm(1000).split(125):
        loss = -partial_likelihood(net(X[train][idx]).squeeze(-1), event[train][idx], time[train][idx]).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        running += loss.item()
    if epoch % 5 == 0:
        print(f"epoch {epoch:2d} neg. partial log-likelihood {running / 8:.4f}")
net.eval()
with torch.no_grad():
    c = concordance(net(X[test]).squeeze(-1), time[test], event[test])
print(f"test concordance {c:.3f}")
