#= targets_shuffled
#: inputs and labels are shuffled with two different permutations
"""Kaggle-like tabular churn model with hand-made mini batches."""
import numpy as np
import torch
import torch.nn as nn

SEED = 2021
np.random.seed(SEED)
torch.manual_seed(SEED)

N = 3000
age = np.random.randint(18, 80, N)
tenure = np.random.exponential(3, N)
calls = np.random.poisson(2, N)
fee = np.random.gamma(5, 10, N)
score = 0.04 * (age - 45) - 0.6 * tenure + 0.9 * calls + 0.02 * (fee - 50)
churn = (score + 0.5 * np.random.randn(N) > 0).astype(np.float32)
features = np.stack([age, tenure, calls, fee], 1).astype(np.float32)
features = (features - features[:2400].mean(0)) / features[:2400].std(0)
X_train, X_val = features[:2400], features[2400:]
y_train, y_val = churn[:2400], churn[2400:]

model = nn.Sequential(
    nn.Linear(4, 32),
    nn.BatchNorm1d(32),
    nn.ReLU(),
    nn.Dropout(0.2),
    nn.Linear(32, 1),
)
loss_fn = nn.BCEWithLogitsLoss()
opt = torch.optim.Adam(model.parameters(), lr=1e-3)
BATCH = 64


def shuffle_data(X, y):
    order = np.random.permutation(len(X))
    y_order = order  #@ y_order = np.random.permutation(len(y))
    return X[order], y[y_order]


for epoch in range(10):
    model.train()
    X_s, y_s = shuffle_data(X_train, y_train)
    epoch_loss = []
    for k in range(0, len(X_s), BATCH):
        xb = torch.from_numpy(X_s[k:k + BATCH])
        yb = torch.from_numpy(y_s[k:k + BATCH])
        logits = model(xb).squeeze(-1)
        loss = loss_fn(logits, yb)
        opt.zero_grad()
        loss.backward()
        opt.step()
        epoch_loss.append(loss.item())
    model.eval()
    with torch.no_grad():
        p = torch.sigmoid(model(torch.from_numpy(X_val)).squeeze(-1)).numpy()
    acc = ((p > 0.5) == (y_val > 0.5)).mean()
    print(f"Epoch {epoch + 1:02d} | loss {np.mean(epoch_loss):.4f} | val acc {acc:.4f}")
