# tabular ResNet (rtdl) with quantile features, standardised target, k-fold out-of-fold predictions
import numpy as np, torch
from torch import nn
from sklearn.datasets import load_diabetes
from sklearn.model_selection import KFold
from sklearn.preprocessing import QuantileTransformer
from sklearn.metrics import r2_score, mean_squared_error
X, y = load_diabetes(return_X_y=True); X = X.astype("float32"); y = y.astype("float32")
class Block(nn.Module):
    def __init__(self, d, h, p):
        super().__init__(); self.f = nn.Sequential(nn.BatchNorm1d(d), nn.Linear(d, h), nn.ReLU(), nn.Dropout(p), nn.Linear(h, d), nn.Dropout(p / 2))
    def forward(self, x): return x + self.f(x)
class ResNet(nn.Module):
    def __init__(self, d_in, d=32, n=2, p=0.3):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(d_in, d), *[Block(d, 2 * d, p) for _ in range(n)], nn.BatchNorm1d(d), nn.ReLU(), nn.Linear(d, 1))
    def forward(self, x): return self.net(x).squeeze(1)
oof = np.zeros(len(y))
for fold, (tr, te) in enumerate(KFold(5, shuffle=True, random_state=0).split(X)):
    torch.manual_seed(fold)
    va, fit = tr[:50], tr[50:]
    qt = QuantileTransformer(n_quantiles=100, output_distribution="normal", random_state=0).fit(X[fit])
    mu, sd = y[fit].mean(), y[fit].std()
    T = lambda idx: (torch.tensor(qt.transform(X[idx]), dtype=torch.float32), torch.tensor((y[idx] - mu) / sd))
    (xf, yf), (xv, yv), (xt, _) = T(fit), T(va), T(te)
    net = ResNet(10); opt = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=1e-2)
    best, patience, state = 1e9, 0, None
    for ep in range(60):
        net.train()
        for b in torch.randperm(len(xf)).split(64):
            if len(b) < 2: continue
            loss = nn.functional.mse_loss(net(xf[b]), yf[b]); opt.zero_grad(); loss.backward(); opt.step()
        net.eval()
        with torch.no_grad(): v = nn.functional.mse_loss(net(xv), yv).item()
        if v < best - 1e-4: best, patience, state = v, 0, {k: t.clone() for k, t in net.state_dict().items()}
        else:
            patience += 1
            if patience == 15: break
    net.load_state_dict(state)
    with torch.no_grad(): oof[te] = (net(xt) * sd + mu).numpy()
    print(f"fold {fold} stopped at {ep} rmse {mean_squared_error(y[te], oof[te]) ** .5:.1f}")
print(f"out-of-fold R2 {r2_score(y, oof):.3f} rmse {mean_squared_error(y, oof) ** .5:.1f} (std {y.std():.1f})")
