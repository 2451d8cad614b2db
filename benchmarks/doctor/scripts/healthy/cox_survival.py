"""DeepSurv: Cox partial likelihood on whole-batch risk sets with censoring; batches must be large, the score is the concordance index."""
import numpy as np
import torch
import torch.nn as nn

rng = np.random.default_rng(181)
torch.manual_seed(181)


def cohort(n):
    x = rng.normal(size=(n, 8)).astype(np.float32)
    risk = 1.2 * x[:, 0] - 0.8 * x[:, 1] * x[:, 2] + 0.7 * np.abs(x[:, 3])
    t = rng.exponential(1 / (0.1 * np.exp(risk)))
    c = rng.exponential(12, n)
    return torch.from_numpy(x), torch.tensor(np.minimum(t, c), dtype=torch.float32), torch.tensor((t <= c).astype(np.float32))


def neg_log_partial_likelihood(log_h, time, event):
    order = torch.argsort(time, descending=True)
    log_h, event = log_h[order], event[order]
    log_cum = torch.logcumsumexp(log_h, 0)
    return -((log_h - log_cum) * event).sum() / event.sum().clamp(min=1)


def c_index(log_h, time, event):
    usable = (time[:, None] < time[None]) & (event[:, None] > 0)
    good = (log_h[:, None] > log_h[None]) & usable
    return (good.sum() / usable.sum()).item()


class DeepSurv(nn.Module):
    def __init__(self, dims=(8, 48, 32)):
        super().__init__()
        layers = []
        for i, o in zip(dims[:-1], dims[1:]):
            layers += [nn.Linear(i, o), nn.ELU(), nn.Dropout(0.1)]
        self.model = nn.Sequential(*layers, nn.Linear(dims[-1], 1, bias=False))

    def forward(self, x):
        return self.model(x).squeeze(1)


x, t, e = cohort(2500)
xv, tv, ev = cohort(600)
print("censored share %.2f" % (1 - e.mean()))
net = DeepSurv()
optimizer = torch.optim.Adam(net.parameters(), lr=4e-3, weight_decay=1e-3)
for epoch in range(30):
    net.train()
    for b in torch.randperm(len(x)).split(500):
        loss = neg_log_partial_likelihood(net(x[b]), t[b], e[b])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 5 == 4:
        net.eval()
        with torch.no_grad():
            print(f"epoch {epoch + 1} loss {loss.item():.4f} c-index train {c_index(net(x[:600]), t[:600], e[:600]):.3f} valid {c_index(net(xv), tv, ev):.3f}")
