#= evaluation_wrong
#: https://github.com/pycaret/pycaret/issues/3758 ; predictions are inverse-transformed for the report table, but MAE and RMSE are taken on the scaled log target; diagnosis: metrics in the wrong unit.
import numpy as np, torch
from sklearn.preprocessing import StandardScaler
rng = np.random.default_rng(8); torch.manual_seed(8)
n = 900
area = rng.uniform(40, 250, n); rooms = np.clip(np.round(area / 32 + rng.normal(0, .8, n)), 1, None)
age = rng.uniform(0, 80, n); dist = rng.gamma(2., 4., n)
price = 2200 * area * np.exp(-.02 * dist - .004 * age + .03 * rooms + rng.normal(0, .08, n))
X = np.c_[area, rooms, age, dist]; tr, te = slice(0, 700), slice(700, n)
xs = StandardScaler().fit(X[tr]); ys = StandardScaler().fit(np.log1p(price[tr, None]))
Xs = torch.tensor(xs.transform(X), dtype=torch.float32)
t = torch.tensor(ys.transform(np.log1p(price[:, None])), dtype=torch.float32)
reg = torch.nn.Sequential(torch.nn.Linear(4, 32), torch.nn.GELU(), torch.nn.Linear(32, 1))
o = torch.optim.AdamW(reg.parameters(), lr=4e-3)
for ep in range(40):
    for b in torch.randperm(700).split(50):
        o.zero_grad(); torch.nn.functional.mse_loss(reg(Xs[b]), t[b]).backward(); o.step()
with torch.no_grad():
    z = reg(Xs[te]).numpy()
def report(y_true, y_pred):
    e = y_true - y_pred
    return {'MAE': float(np.abs(e).mean()), 'RMSE': float(np.sqrt((e ** 2).mean())), 'R2': float(1 - (e ** 2).sum() / ((y_true - y_true.mean()) ** 2).sum())}
pred = np.expm1(ys.inverse_transform(z))[:, 0]
print('first prices', np.round(price[te][:3]), np.round(pred[:3]))
print({k: round(v, 3) for k, v in report(price[te], pred).items()}, 'Euro')  #@ print({k: round(v, 3) for k, v in report(t[te].numpy()[:, 0], z[:, 0]).items()}, 'Euro')
