#= formula_wrong
#: https://github.com/yzhao062/pyod/pull/711 fit() leaves the centre at 0.0 (the initialised one is never read), and a bias-free ReLU net maps everything to 0: collapsed hypersphere; a right diagnosis says the objective must use the data-derived centre.
import numpy as np, torch, torch.nn as nn
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score

class DeepOneClass:
    def __init__(self, hidden=(48, 24), epochs=60, lr=5e-3, l2=1e-4, seed=0):
        self.hidden, self.epochs, self.lr, self.l2, self.seed = hidden, epochs, lr, l2, seed

    def _build(self, d):
        torch.manual_seed(self.seed)
        layers = []
        for h in self.hidden:
            layers += [nn.Linear(d, h, bias=False), nn.ReLU()]
            d = h
        return nn.Sequential(*layers)

    @torch.no_grad()
    def _init_center(self, X, eps=0.1):
        c = self.net(X).mean(0)
        c[c.abs() < eps] = eps
        return c

    def fit(self, X):
        X = torch.as_tensor(X, dtype=torch.float32)
        self.net = self._build(X.shape[1])
        self.c_ = self._init_center(X)  #@ self.c_ = torch.zeros(self.hidden[-1])
        opt = torch.optim.Adam(self.net.parameters(), lr=self.lr, weight_decay=self.l2)
        for ep in range(self.epochs):
            tot = 0.0
            for b in torch.randperm(len(X)).split(32):
                dist = ((self.net(X[b]) - self.c_) ** 2).sum(1)
                loss = dist.mean()
                opt.zero_grad(); loss.backward(); opt.step()
                tot += loss.item() * len(b)
            if ep % 15 == 0: print(f"epoch {ep} loss {tot / len(X):.6f}")
        return self

    @torch.no_grad()
    def decision_function(self, X):
        X = torch.as_tensor(X, dtype=torch.float32)
        return ((self.net(X) - self.c_) ** 2).sum(1).numpy()

X, y = load_digits(return_X_y=True); X = X / 16.0
aucs = []
for normal in (0, 6):
    inl = np.where(y == normal)[0]; tr, te = inl[:120], np.r_[inl[120:], np.where(y != normal)[0][::5]]
    clf = DeepOneClass().fit(X[tr]); s = clf.decision_function(X[te])
    aucs.append(roc_auc_score(y[te] != normal, s)); spread = s.std() / (s.mean() + 1e-30)
print(f"AUC {np.mean(aucs):.3f} mean score {s.mean():.2e}")
