#= leak_across_splits
#: minority class is oversampled before the train/test split, so copies of the same rows are in both parts
"""Customer churn with a rare positive class, random oversampling."""
import numpy as np
import torch
import torch.nn as nn
from sklearn.model_selection import train_test_split
from sklearn.metrics import f1_score, recall_score

SEED = 2021
np.random.seed(SEED)
torch.manual_seed(SEED)


def load_customers(n=2400, d=10):
    X = np.random.randn(n, d).astype(np.float32)
    logit = 3.4 * X[:, 0] - 2.6 * X[:, 1] + 1.6 * X[:, 2] - 7.0
    y = (np.random.rand(n) < 1 / (1 + np.exp(-logit))).astype(np.float32)
    return X, y


def oversample(X, y):
    pos, neg = np.where(y == 1)[0], np.where(y == 0)[0]
    extra = np.random.choice(pos, len(neg), replace=True)
    idx = np.concatenate([neg, extra])
    return X[idx], y[idx]


X, y = load_customers()
print("churn rate:", y.mean())
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=SEED, stratify=y)  #@ X, y = oversample(X, y)
X_train, y_train = oversample(X_train, y_train)  #@ X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=SEED, stratify=y)

model = nn.Sequential(
    nn.Linear(10, 64), nn.ReLU(), nn.Dropout(0.2),
    nn.Linear(64, 64), nn.ReLU(),
    nn.Linear(64, 1), nn.Sigmoid())
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3, weight_decay=3e-3)
bce = nn.BCELoss()

Xt, yt = torch.from_numpy(X_train), torch.from_numpy(y_train).view(-1, 1)
batch = 64
for epoch in range(1, 16):
    model.train()
    perm = torch.randperm(len(Xt))
    acc_loss = 0.
    for k in range(0, len(Xt), batch):
        sel = perm[k:k + batch]
        optimizer.zero_grad()
        l = bce(model(Xt[sel]), yt[sel])
        l.backward()
        optimizer.step()
        acc_loss += l.item() * len(sel)
    if epoch % 5 == 0:
        print("epoch %2d  loss %.4f" % (epoch, acc_loss / len(Xt)))

model.eval()
with torch.no_grad():
    prob = model(torch.from_numpy(X_test))[:, 0].numpy()
hard = (prob > 0.5).astype(int)
print("test churn rate %.3f, recall %.3f" % (y_test.mean(), recall_score(y_test, hard)))
print("F1 on the test split: %.3f" % f1_score(y_test, hard))
