#= formula_wrong
#: https://github.com/mead-ml/mead-baseline/pull/80 CRF code bases disagree on the orientation (x->y is T[y,x] or T[x,y]); here the gold-path score reads trans[next, prev] while partition and Viterbi use [prev, next], so the loss is not a likelihood (it goes below 0); a right diagnosis names the orientation mismatch.
import torch
from torch import nn
torch.manual_seed(11)
gen = torch.Generator().manual_seed(11)
K, V, L = 5, 50, 12
T0 = torch.full((K, K), .03); T0[torch.arange(K), (torch.arange(K) + 1) % K] = .6; T0[torch.arange(K), (torch.arange(K) + 2) % K] = .28; T0 /= T0.sum(1, keepdim=True)
E0 = torch.distributions.Dirichlet(torch.full((V,), .12)).sample((K,)) * .7 + .3 / V

def tagged(n):
    y = torch.zeros(n, L, dtype=torch.long); y[:, 0] = torch.randint(K, (n,), generator=gen)
    for t in range(1, L): y[:, t] = torch.multinomial(T0[y[:, t - 1]], 1, generator=gen)[:, 0]
    x = torch.multinomial(E0[y.view(-1)], 1, generator=gen).view(n, L)
    return x, y

class ChunkTagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.word, self.emit = nn.Embedding(V, 20), nn.Linear(20, K)
        self.trans = nn.Parameter(0.1 * torch.randn(K, K))
    def gold(self, e, y):
        s = e.gather(2, y.unsqueeze(2)).sum((1, 2))
        return s + self.trans[y[:, :-1], y[:, 1:]].sum(1)  #@ return s + self.trans[y[:, 1:], y[:, :-1]].sum(1)
    def partition(self, e):
        a = e[:, 0]
        for t in range(1, e.size(1)): a = torch.logsumexp(a.unsqueeze(2) + self.trans, 1) + e[:, t]
        return torch.logsumexp(a, 1)
    def loss(self, x, y):
        e = self.emit(self.word(x)); return (self.partition(e) - self.gold(e, y)).mean()
    @torch.no_grad()
    def viterbi(self, x):
        e = self.emit(self.word(x)); v, bp = e[:, 0], []
        for t in range(1, e.size(1)):
            v, b = (v.unsqueeze(2) + self.trans).max(1); v = v + e[:, t]; bp.append(b)
        path = [v.argmax(1)]
        for b in reversed(bp): path.append(b.gather(1, path[-1][:, None])[:, 0])
        return torch.stack(path[::-1], 1)

(x, y), (xt, yt) = tagged(1500), tagged(300)
m = ChunkTagger(); opt = torch.optim.Adam(m.parameters(), 1e-2, weight_decay=1e-4)
for ep in range(8):
    tot = 0
    for b in torch.randperm(1500).split(75):
        l = m.loss(x[b], y[b]); opt.zero_grad(); l.backward(); nn.utils.clip_grad_norm_(m.parameters(), 5.); opt.step(); tot += l.item()
    print(f"pass {ep}: {tot / 20:.3f}")
print(f"tag accuracy {(m.viterbi(xt) == yt).float().mean():.3f}")
