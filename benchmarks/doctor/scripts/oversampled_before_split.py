#= leak_across_splits
#: minority class is oversampled before the split, copies of the same rows are in train and validation (falsely good)
"""Imbalanced fraud detection. Balances the data, then trains an MLP."""
import numpy as np
import torch
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

np.random.seed(6)
torch.manual_seed(6)
n = 1200
X = np.random.randn(n, 25)
y = ((X[:, 0] + X[:, 1] + 1.6 * np.random.randn(n)) > 3.0).astype(int)
print("fraud rate", y.mean())


def oversample(X, y):
    pos, neg = np.where(y == 1)[0], np.where(y == 0)[0]
    extra = np.random.choice(pos, len(neg) - len(pos))
    idx = np.random.permutation(np.concatenate([pos, neg, extra]))
    return X[idx], y[idx]


#+ X, y = oversample(X, y)
X_train, X_val, y_train, y_val = train_test_split(X, y, test_size=0.3, random_state=42, stratify=y)
X_train, y_train = oversample(X_train, y_train)  #@
mean, std = X_train.mean(0), X_train.std(0)
X_train, X_val = (X_train - mean) / std, (X_val - mean) / std
train_ds = TensorDataset(torch.tensor(X_train).float(), torch.tensor(y_train))
net = nn.Sequential(nn.Linear(25, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 2))
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
criterion = nn.CrossEntropyLoss()

for epoch in range(12):
    net.train()
    for xb, yb in DataLoader(train_ds, batch_size=64, shuffle=True):
        loss = criterion(net(xb), yb)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 3 == 2:
        net.eval()
        with torch.no_grad():
            pred = net(torch.tensor(X_val).float()).argmax(1).numpy()
        print(f"epoch {epoch + 1}: train loss {loss.item():.3f} "
              f"val balanced acc {balanced_accuracy_score(y_val, pred):.3f}")
