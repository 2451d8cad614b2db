"""Rossmann-like sales: categorical embeddings + continuous batch-norm, log target, y_range sigmoid, one-cycle (fastai tabular)."""
import numpy as np, torch, torch.nn as nn
rng = np.random.default_rng(4); torch.manual_seed(4)
days, stores = 560, 24
store_eff, dow = rng.normal(0, .5, stores), np.array([.3, .1, 0, 0, .2, .4, -1.0])
rows = [(s, d % 7, (d // 30) % 12, int(rng.random() < .35), d) for d in range(days) for s in range(stores) if rng.random() < .6]
R = np.array(rows)
dist = rng.lognormal(1, .7, stores)
ls = 8 + store_eff[R[:, 0]] + dow[R[:, 1]] + .25 * np.sin(R[:, 2] / 12 * 6.28) + R[:, 3] * (.2 + .3 * (R[:, 0] % 2)) - .1 * np.log(dist[R[:, 0]]) + rng.normal(0, .08, len(R))
sales = np.exp(ls)
cats = torch.tensor(R[:, :4]); cont = np.stack([dist[R[:, 0]], R[:, 4] % 30], 1)
order = R[:, 4]; tr = torch.tensor(np.where(order < 480)[0]); va = torch.tensor(np.where(order >= 480)[0])     # split in time
m, s = cont[tr].mean(0), cont[tr].std(0); cont = torch.tensor((cont - m) / s, dtype=torch.float32)
ly = torch.tensor(np.log(sales), dtype=torch.float32)
card = [stores, 7, 12, 2]
class TabularModel(nn.Module):
    def __init__(self, y_range):
        super().__init__()
        self.embeds = nn.ModuleList(nn.Embedding(c, min(50, (c + 1) // 2)) for c in card)
        for e in self.embeds: e.weight.data.uniform_(-.05, .05)
        ne = sum(e.embedding_dim for e in self.embeds)
        self.emb_drop, self.bn_cont = nn.Dropout(.04), nn.BatchNorm1d(2)
        self.layers = nn.Sequential(nn.Linear(ne + 2, 100), nn.ReLU(True), nn.BatchNorm1d(100), nn.Dropout(.01), nn.Linear(100, 50), nn.ReLU(True), nn.BatchNorm1d(50), nn.Linear(50, 1))
        self.lo, self.hi = y_range
    def forward(self, xc, xn):
        x = self.emb_drop(torch.cat([e(xc[:, i]) for i, e in enumerate(self.embeds)], 1))
        x = self.layers(torch.cat([x, self.bn_cont(xn)], 1)).squeeze(1)
        return torch.sigmoid(x) * (self.hi - self.lo) + self.lo
net = TabularModel((0, float(ly[tr].max()) * 1.2))
E, bs = 8, 128; steps = (len(tr) + bs - 1) // bs
opt = torch.optim.Adam(net.parameters(), weight_decay=1e-5); sch = torch.optim.lr_scheduler.OneCycleLR(opt, 1e-2, epochs=E, steps_per_epoch=steps)
def exp_rmspe(p, t): return (((t.exp() - p.exp()) / t.exp()) ** 2).mean().sqrt().item()
for ep in range(E):
    net.train()
    for b in tr[torch.randperm(len(tr))].split(bs):
        loss = nn.functional.mse_loss(net(cats[b], cont[b]), ly[b]); opt.zero_grad(); loss.backward(); opt.step(); sch.step()
    net.eval()
    with torch.no_grad(): print(f"epoch {ep} rmspe {exp_rmspe(net(cats[va], cont[va]), ly[va]):.4f}")
print(f"future rmspe {exp_rmspe(net(cats[va], cont[va]).detach(), ly[va]):.4f} (mean predictor {exp_rmspe(ly[tr].mean().expand(len(va)), ly[va]):.3f}, noise .08)")
