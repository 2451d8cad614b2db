#= leak_across_splits
#: https://scikit-learn.org/stable/common_pitfalls.html#data-leakage-during-pre-processing ; SelectKBest is fitted on all samples (with labels) before the folds are made, so the held-out labels leak; diagnosis: fit the selection inside each fold.
import numpy as np
import torch
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.model_selection import StratifiedKFold

rng = np.random.default_rng(42)
n, d = 120, 2000
y = np.arange(n) % 2
X = rng.standard_normal((n, d)).astype(np.float32)
X[:, :6] += 2.4 * (y[:, None] - .5)
y = np.where(rng.random(n) < .05, 1 - y, y)

def fit_logreg(Xa, ya, steps=150, l2=2e-2):
    torch.manual_seed(0)
    lin = torch.nn.Linear(Xa.shape[1], 2)
    o = torch.optim.SGD(lin.parameters(), lr=.1, momentum=.9, weight_decay=l2)
    Xa, ya = torch.from_numpy(Xa), torch.from_numpy(ya)
    for _ in range(steps):
        o.zero_grad()
        torch.nn.functional.cross_entropy(lin(Xa), ya).backward()
        o.step()
    return lin

#+ X = SelectKBest(f_classif, k=40).fit_transform(X, y)
accs = []
for k, (a, b) in enumerate(StratifiedKFold(5, shuffle=True, random_state=0).split(X, y)):
    sel = SelectKBest(f_classif, k=40).fit(X[a], y[a])
    model = fit_logreg(sel.transform(X[a]), y[a])
    with torch.no_grad():
        pred = model(torch.from_numpy(sel.transform(X[b]))).argmax(1).numpy()
    accs.append((pred == y[b]).mean())
    print('fold', k, 'acc', round(accs[-1], 3))
print('cv accuracy %.3f +- %.3f' % (np.mean(accs), np.std(accs)))
