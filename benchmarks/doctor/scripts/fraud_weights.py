#= class_imbalance
#: https://github.com/mlcommons/GaNDLF/issues/209 ; the loss weight of a class is its frequency instead of the inverse, so the rare class is nearly ignored; diagnosis: class weights inverted.
import numpy as np, torch, torch.nn as nn
from sklearn.metrics import balanced_accuracy_score, recall_score
rng = np.random.default_rng(1); torch.manual_seed(1)
def tx(n):
    y = (rng.random(n) < .06).astype(int); X = rng.normal(size=(n, 8))
    X[y == 1, 0] += 1.6; X[y == 1, 1] -= 1.2; X[:, 2] = X[:, 0] * X[:, 1] + .3 * X[:, 2]; return X.astype('f'), y
Xa, ya = tx(3000); Xb, yb = tx(1500)
def get_class_imbalance_weights(labels):
    counts = np.bincount(labels); weights = counts / counts.sum()
    penalty = 1 - weights  #@ penalty = weights
    return torch.tensor(penalty / penalty.sum() * len(penalty), dtype=torch.float32)
w = get_class_imbalance_weights(ya)
model = nn.Sequential(nn.Linear(8, 32), nn.ELU(), nn.Linear(32, 2))
crit = nn.CrossEntropyLoss(weight=w); opt = torch.optim.AdamW(model.parameters(), 3e-3)
Xt, yt = torch.tensor(Xa), torch.tensor(ya)
for ep in range(12):
    for b in torch.randperm(3000).split(100):
        opt.zero_grad(); crit(model(Xt[b]), yt[b]).backward(); opt.step()
pred = model(torch.tensor(Xb)).argmax(1).numpy()
print('accuracy %.3f balanced accuracy %.3f fraud recall %.3f' % ((pred == yb).mean(), balanced_accuracy_score(yb, pred), recall_score(yb, pred)))
