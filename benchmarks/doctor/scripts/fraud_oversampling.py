#= leak_across_splits
# remembered: Stack Overflow / Kaggle "99 % with oversampling, fails on new data": the minority class is duplicated before train_test_split, so copies of training rows are in the test set; a right diagnosis says split first (train and test overlap).
import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import make_classification
from sklearn.metrics import f1_score, recall_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

np.random.seed(0)
torch.manual_seed(0)


def oversample(X, y):
    pos, neg = np.where(y == 1)[0], np.where(y == 0)[0]
    extra = np.random.choice(pos, len(neg) - len(pos), replace=True)
    keep = np.concatenate([neg, pos, extra])
    np.random.shuffle(keep)
    return X[keep], y[keep]


X, y = make_classification(n_samples=3000, n_features=30, n_informative=10, n_redundant=0, n_clusters_per_class=2,
                           weights=[0.9], class_sep=2.2, flip_y=0.01, random_state=8)

X_tr, X_te, y_tr, y_te = train_test_split(X, y, test_size=0.3, stratify=y, random_state=0)  #@ X, y = oversample(X, y)
X_tr, y_tr = oversample(X_tr, y_tr)  #@ X_tr, X_te, y_tr, y_te = train_test_split(X, y, test_size=0.3, stratify=y, random_state=0)
scaler = StandardScaler().fit(X_tr)
X_tr = torch.tensor(scaler.transform(X_tr), dtype=torch.float32)
X_te = torch.tensor(scaler.transform(X_te), dtype=torch.float32)
y_tr = torch.tensor(y_tr, dtype=torch.float32)

model = nn.Sequential(nn.Linear(30, 64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, 1))
opt = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-4)
crit = nn.BCEWithLogitsLoss()
for epoch in range(25):
    model.train()
    tot = 0.0
    for b in torch.randperm(len(X_tr)).split(64):
        opt.zero_grad()
        loss = crit(model(X_tr[b]).squeeze(1), y_tr[b])
        loss.backward()
        opt.step()
        tot += loss.item() * len(b)
    if epoch % 5 == 4:
        model.eval()
        with torch.no_grad():
            p = (model(X_te).squeeze(1) > 0).int().numpy()
        print(f"epoch {epoch+1} loss {tot/len(X_tr):.4f} test acc {(p == y_te).mean():.4f} "
              f"recall {recall_score(y_te, p):.4f} f1 {f1_score(y_te, p):.4f}")
