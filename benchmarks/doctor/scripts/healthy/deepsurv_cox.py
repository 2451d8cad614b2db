"""DeepSurv: Cox partial likelihood (Breslow) on sorted minibatches, concordance index, SELU net, lr decay of the original."""
import numpy as np, torch, torch.nn as nn
rng = np.random.default_rng(12); torch.manual_seed(12)
def simulate(n, lam=.1, tmax=15.):
    x = rng.uniform(-1, 1, (n, 8)); risk = 2.0 * np.exp(-(x[:, 0] ** 2 + x[:, 1] ** 2) / (2 * .5 ** 2)) * 1.5 + x[:, 2]
    t = rng.exponential(1 / (lam * np.exp(risk))); c = rng.exponential(12, n).clip(max=tmax)
    return torch.tensor(x, dtype=torch.float32), torch.tensor(np.minimum(t, c), dtype=torch.float32), torch.tensor((t <= c), dtype=torch.float32), risk
xtr, ttr, etr, _ = simulate(1800); xva, tva, eva, _ = simulate(400); xte, tte, ete, rte = simulate(700)
def cox_nll(log_h, t, e):
    o = t.argsort(descending=True); h, e = log_h[o], e[o]
    return -((h - torch.logcumsumexp(h, 0)) * e).sum() / e.sum().clamp(min=1)
def c_index(risk, t, e):
    risk = torch.as_tensor(risk, dtype=torch.float32); ok = (t[:, None] < t[None]) & (e[:, None] > 0)
    d = risk[:, None] - risk[None]; return (((d > 0).float() + .5 * (d == 0))[ok]).mean().item()
net = nn.Sequential(nn.Linear(8, 32), nn.SELU(), nn.AlphaDropout(.05), nn.Linear(32, 32), nn.SELU(), nn.Linear(32, 1, bias=False))
for m in net:
    if isinstance(m, nn.Linear): nn.init.kaiming_normal_(m.weight, nonlinearity="linear")
opt = torch.optim.SGD(net.parameters(), lr=5e-2, momentum=.9, nesterov=True, weight_decay=1e-3)
sch = torch.optim.lr_scheduler.LambdaLR(opt, lambda ep: 1 / (1 + 5e-2 * ep))
best, state = 0, None
for ep in range(30):
    net.train()
    for b in torch.randperm(1800).split(200):
        loss = cox_nll(net(xtr[b]).squeeze(1), ttr[b], etr[b])
        opt.zero_grad(); loss.backward(); nn.utils.clip_grad_norm_(net.parameters(), 1.); opt.step()
    sch.step(); net.eval()
    with torch.no_grad(): c = c_index(net(xva).squeeze(1), tva, eva)
    if c > best: best, state = c, {k: v.clone() for k, v in net.state_dict().items()}
net.load_state_dict(state)
with torch.no_grad(): c = c_index(net(xte).squeeze(1), tte, ete)
print(f"events {etr.mean():.2f} c-index {c:.3f} (true risk {c_index(rte, tte, ete):.3f}, linear {c_index(xte[:, 2], tte, ete):.3f})")
