#= weights_cancel
#: https://github.com/r9y9/wavenet_vocoder/issues/34 in the mixture loss the component log-probs are summed over the component axis (keepdim) before the mixture weights are added, so every component must explain every sample; a right diagnosis says keep them per component and logsumexp.
"""Autoregressive sample model with a mixture-of-logistics output (discretised to 256 levels)."""
from dataclasses import dataclass
import math, torch, torch.nn as nn, torch.nn.functional as F

@dataclass
class HP:
    mix: int = 5; ch: int = 24; steps: int = 260; lr: float = 4e-3; seg: int = 80; seed: int = 4

def signal(n, L, g):
    """square-ish telegraph signal riding on a sine; the next jump direction is random"""
    t = torch.arange(L) + 50 * torch.rand(n, 1, generator=g)
    jump = (torch.rand(n, L, generator=g) < 0.25).float() * (torch.randint(0, 2, (n, L), generator=g) * 2 - 1)
    return (0.35 * torch.sin(0.2 * t) + 0.35 * jump + 0.01 * torch.randn(n, L, generator=g)).clamp(-1, 1)

def mol_loss(y_hat, y, num_classes=256, log_scale_min=-7.0):
    nr = y_hat.size(1) // 3
    y_hat = y_hat.transpose(1, 2)
    logit_probs, means = y_hat[..., :nr], y_hat[..., nr:2 * nr]
    log_scales = y_hat[..., 2 * nr:].clamp(min=log_scale_min)
    y = y.unsqueeze(-1).expand_as(means)
    c = y - means; inv = torch.exp(-log_scales)
    plus, minus = inv * (c + 1. / (num_classes - 1)), inv * (c - 1. / (num_classes - 1))
    cdf_delta = torch.sigmoid(plus) - torch.sigmoid(minus)
    mid = inv * c
    log_pdf_mid = mid - log_scales - 2. * F.softplus(mid) - math.log((num_classes - 1) / 2)
    inner = torch.where(cdf_delta > 1e-5, cdf_delta.clamp(min=1e-12).log(), log_pdf_mid)
    log_probs = torch.where(y < -0.999, plus - F.softplus(plus), torch.where(y > 0.999, -F.softplus(minus), inner))
    log_probs = log_probs + F.log_softmax(logit_probs, -1)  #@ log_probs = torch.sum(log_probs, dim=-1, keepdim=True) + F.log_softmax(logit_probs, -1)
    return -torch.logsumexp(log_probs, -1).mean()

class Net(nn.Module):
    def __init__(self, hp):
        super().__init__()
        self.inp = nn.Conv1d(1, hp.ch, 1)
        self.layers = nn.ModuleList(nn.Conv1d(hp.ch, 2 * hp.ch, 2, dilation=2 ** i) for i in range(4))
        self.out = nn.Sequential(nn.ReLU(), nn.Conv1d(hp.ch, hp.ch, 1), nn.ReLU(), nn.Conv1d(hp.ch, 3 * hp.mix, 1))
    def forward(self, x):
        h = self.inp(x.unsqueeze(1))
        for i, l in enumerate(self.layers):
            a, b = l(F.pad(h, (2 ** i, 0))).chunk(2, 1); h = h + torch.tanh(a) * torch.sigmoid(b)
        return self.out(h)

def sample(y_hat, g):
    nr = y_hat.size(0) // 3
    k = torch.multinomial(y_hat[:nr].softmax(0), 1, generator=g).item(); u = torch.rand(1, generator=g).clamp(1e-5, 1 - 1e-5)
    return (y_hat[nr + k] + y_hat[2 * nr + k].clamp(min=-7).exp() * (u.log() - (1 - u).log())).clamp(-1, 1).item()

if __name__ == "__main__":
    hp = HP(); torch.manual_seed(hp.seed); g = torch.Generator().manual_seed(1)
    train, test = signal(120, 300, g), signal(30, 300, g)
    net = Net(hp); opt = torch.optim.Adam(net.parameters(), lr=hp.lr)
    for it in range(hp.steps):
        o = int(torch.randint(0, 300 - hp.seg, (1,))); x = train[torch.randint(120, (12,)), o:o + hp.seg]
        loss = mol_loss(net(x[:, :-1]), x[:, 1:])
        opt.zero_grad(); loss.backward(); nn.utils.clip_grad_norm_(net.parameters(), 1.0); opt.step()
        if it % 65 == 0: print(it, round(loss.item(), 3))
    net.eval(); sg = torch.Generator().manual_seed(2)
    with torch.no_grad():
        out = net(test[:, :-1]); idx = torch.randint(40, 299, (200,)); rows = torch.arange(200) % 30
        draws = torch.tensor([sample(out[r, :, i], sg) for r, i in zip(rows, idx)])
        sine = torch.stack([test[r, i + 1] for r, i in zip(rows, idx)])
    hist = lambda v: torch.histc(v, 20, -1, 1) / len(v)
    print(f"train loss {loss.item():.3f} | histogram distance of sampled next values to real ones {0.5 * (hist(draws) - hist(test[:, 40:].reshape(-1))).abs().sum():.3f} std {draws.std():.3f} vs {sine.std():.3f}")
