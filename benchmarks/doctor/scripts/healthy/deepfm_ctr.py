import torch, torch.nn as nn, numpy as np
from sklearn.metrics import roc_auc_score, log_loss
torch.manual_seed(10); rng = np.random.RandomState(10)
fields = [30, 12, 50, 7, 20]; n = 9000
X = np.stack([rng.randint(f, size=n) for f in fields], 1)
w1 = [rng.randn(f) * .5 for f in fields]; z = [rng.randn(f, 3) * .6 for f in fields]
score = sum(w[X[:, j]] for j, w in enumerate(w1)) - 2.2
for a in range(5):
    for b in range(a + 1, 5): score += (z[a][X[:, a]] * z[b][X[:, b]]).sum(1)
y = (rng.rand(n) < 1 / (1 + np.exp(-score))).astype("float32")
offs = np.array((0, *np.cumsum(fields)[:-1])); X = torch.tensor(X + offs)
class DeepFM(nn.Module):
    def __init__(self, dims, k=8, hidden=(32, 32), p=0.2):
        super().__init__()
        self.lin, self.bias = nn.Embedding(sum(dims), 1), nn.Parameter(torch.zeros(1))
        self.emb = nn.Embedding(sum(dims), k); nn.init.xavier_uniform_(self.emb.weight); nn.init.zeros_(self.lin.weight)
        layers, d = [], len(dims) * k
        for h in hidden: layers += [nn.Linear(d, h), nn.BatchNorm1d(h), nn.ReLU(), nn.Dropout(p)]; d = h
        self.mlp = nn.Sequential(*layers, nn.Linear(d, 1))
    def forward(self, x):
        e = self.emb(x)
        fm = 0.5 * (e.sum(1) ** 2 - (e ** 2).sum(1)).sum(1, keepdim=True)
        return (self.lin(x).sum(1) + self.bias + fm + self.mlp(e.flatten(1))).squeeze(1)
y = torch.tensor(y); tr, va, te = slice(0, 6500), slice(6500, 7500), slice(7500, None)
class EarlyStopper:
    def __init__(self, num_trials): self.n, self.c, self.best, self.state = num_trials, 0, 0, None
    def go_on(self, model, auc):
        if auc > self.best: self.best, self.c, self.state = auc, 0, {k: v.clone() for k, v in model.state_dict().items()}; return True
        self.c += 1; return self.c < self.n
def predict(m, s):
    m.eval()
    with torch.no_grad(): return torch.sigmoid(m(X[s])).numpy()
model = DeepFM(fields); opt = torch.optim.Adam(model.parameters(), lr=5e-3, weight_decay=1e-5); crit = nn.BCEWithLogitsLoss()
stop = EarlyStopper(3)
for epoch in range(20):
    model.train()
    for b in torch.randperm(6500).split(256):
        loss = crit(model(X[tr][b]), y[tr][b]); model.zero_grad(); loss.backward(); opt.step()
    auc = roc_auc_score(y[va], predict(model, va))
    if not stop.go_on(model, auc): print("stopped at", epoch); break
model.load_state_dict(stop.state); p = predict(model, te)
base = log_loss(y[te], np.full(len(p), y[tr].mean()))
print(f"click rate {y.mean():.3f} test AUC {roc_auc_score(y[te], p):.3f} logloss {log_loss(y[te], p):.3f} (constant {base:.3f})")
