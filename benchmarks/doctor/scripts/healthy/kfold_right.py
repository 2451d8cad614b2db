import numpy as np, torch
from sklearn.datasets import load_wine
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import StandardScaler
from torch.utils.data import DataLoader, TensorDataset
def reset_weights(m):
    if hasattr(m, 'reset_parameters'): m.reset_parameters()
X, y = load_wine(return_X_y=True); torch.manual_seed(42)
network = torch.nn.Sequential(torch.nn.Linear(13, 20), torch.nn.BatchNorm1d(20), torch.nn.ReLU(), torch.nn.Dropout(.2), torch.nn.Linear(20, 3)); oof = np.zeros((len(y), 3))
for fold, (a, b) in enumerate(StratifiedKFold(5, shuffle=True, random_state=42).split(X, y)):
    network.apply(reset_weights); sc = StandardScaler().fit(X[a]); t = lambda z: torch.tensor(sc.transform(z), dtype=torch.float32)
    loader = DataLoader(TensorDataset(t(X[a]), torch.tensor(y[a])), batch_size=16, shuffle=True, drop_last=True); opt = torch.optim.Adam(network.parameters(), lr=5e-3)
    network.train()
    for ep in range(15):
        for xb, yb in loader: opt.zero_grad(); torch.nn.functional.cross_entropy(network(xb), yb).backward(); opt.step()
    network.eval()
    with torch.no_grad(): oof[b] = network(t(X[b])).softmax(1).numpy()
    print('fold', fold, 'acc %.3f' % (oof[b].argmax(1) == y[b]).mean())
print('out of fold accuracy %.3f log loss %.3f' % ((oof.argmax(1) == y).mean(), -np.log(oof[np.arange(len(y)), y] + 1e-9).mean()))
