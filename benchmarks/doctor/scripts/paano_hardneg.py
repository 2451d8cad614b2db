#= positive_is_self
# https://github.com/jinnnju/PaAno/issues/1 - the diagonal is filled with -inf in similarity space and becomes +inf as a distance, so max always takes it and the triplet loss is zero; right: fill so it is never chosen.
import torch, torch.nn as nn, torch.nn.functional as F
import numpy as np
torch.manual_seed(2); np.random.seed(2)

# signals with patches from 5 regimes -> embed patches so that two views of one patch agree
def patch(kind, n=32):
    t = np.arange(n); ph = np.random.rand() * 6.28
    base = [np.sin(.3 * t + ph), np.sign(np.sin(.5 * t + ph)), ((t * .12 + ph) % 1) * 2 - 1, np.sin(1.4 * t + ph), np.cumsum(np.random.randn(n)) * .3][kind]
    return (base + np.random.randn(n) * .25).astype('float32')

class Enc(nn.Module):
    def __init__(self):
        super().__init__()
        self.f = nn.Sequential(nn.Conv1d(1, 16, 5, padding=2), nn.ReLU(), nn.Conv1d(16, 32, 5, stride=2, padding=2), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(32, 16))
    def forward(self, x): return F.normalize(self.f(x.unsqueeze(1)), dim=1)

def triplet(za, zp, labels):
    sim = za @ zp.T
    pos_sims = sim.diagonal()
    same = labels[:, None] == labels[None]
    sim_f = sim.clone()
    sim_f[same] = 9.0  #@ sim_f[same] = -float('inf')
    neg_dists = 1 - sim_f
    hard_neg, _ = neg_dists.max(1)
    return F.relu((1 - pos_sims) - hard_neg + 1.5).mean()

enc = Enc()
opt = torch.optim.Adam(enc.parameters(), 3e-3)
for step in range(120):
    k = np.random.randint(0, 5, 48)
    a = torch.from_numpy(np.stack([patch(i) for i in k])); p = torch.from_numpy(np.stack([patch(i) for i in k]))
    loss = triplet(enc(a), enc(p), torch.from_numpy(k))
    opt.zero_grad(); loss.backward(); opt.step()
with torch.no_grad():
    kb, kq = np.arange(200) % 5, np.random.randint(0, 5, 200)
    bank = enc(torch.from_numpy(np.stack([patch(i) for i in kb]))); q = enc(torch.from_numpy(np.stack([patch(i) for i in kq])))
    s = q @ bank.T
    own = torch.from_numpy(kq[:, None] == kb[None])
    votes = torch.from_numpy(kb)[s.topk(7).indices].mode(1).values.numpy()
print('kNN accuracy %.3f, similarity inside a regime %.3f, across regimes %.3f, last loss %.3f' % ((votes == kq).mean(), s[own].mean(), s[~own].mean(), loss.item()))
