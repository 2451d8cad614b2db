#= labels_unfit
# https://github.com/Novartis/torchsurv/issues/117 - the event column is an integer tensor and [event] indexes subjects 0 and 1 again and again rather than masking; right: boolean mask.
import torch
from torch import nn


def survival_data(n, d=5, seed=0):
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(n, d, generator=g)
    hazard = (x[:, 0] * 1.0 - x[:, 1] * 1.3 + 0.8 * x[:, 2] * x[:, 3]).exp()
    t = torch.empty(n).exponential_(generator=g) / hazard
    c = torch.empty(n).exponential_(0.3, generator=g)
    return x, torch.minimum(t, c), (t <= c).long()


def partial_likelihood_cox(log_hz_sorted, event_sorted):
    log_denominator = torch.logcumsumexp(log_hz_sorted.flip(0), 0).flip(0)
    return (log_hz_sorted - log_denominator)[event_sorted.bool()]  #@ return (log_hz_sorted - log_denominator)[event_sorted]


def neg_partial_log_likelihood(log_hz, event, time):
    time, idx = torch.sort(time)
    return -partial_likelihood_cox(log_hz.squeeze(-1)[idx], event[idx]).mean()


@torch.no_grad()
def cindex(s, e, t):
    cmp = (t[:, None] < t[None]) & (e[:, None] == 1)
    return ((s[:, None] > s[None]) & cmp).sum().item() / cmp.sum().item()


class Trainer:
    def __init__(self, model, lr=5e-3):
        self.model = model
        self.opt = torch.optim.AdamW(model.parameters(), lr=lr)

    def fit(self, x, t, e, epochs=20, bs=100):
        for ep in range(epochs):
            for i in torch.randperm(len(x)).split(bs):
                l = neg_partial_log_likelihood(self.model(x[i]), e[i], t[i])
                self.opt.zero_grad(set_to_none=True)
                l.backward()
                self.opt.step()
        return l.item()


torch.manual_seed(31)
tr = Trainer(nn.Sequential(nn.Linear(5, 32), nn.ReLU(), nn.Linear(32, 1)))
last = tr.fit(*survival_data(800))
xt, tt, et = survival_data(300, seed=1)
print(f"loss {last:.3f}   test concordance {cindex(tr.model(xt)[:, 0], et, tt):.3f}")
