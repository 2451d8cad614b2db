#= double_softmax
"""Is the tumour malignant? First network of a student."""
import numpy as np
import torch
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch import nn

data = load_breast_cancer()
X_train, X_test, y_train, y_test = train_test_split(data.data, data.target, test_size=0.25, random_state=42)
sc = StandardScaler()
X_train = torch.from_numpy(sc.fit_transform(X_train).astype(np.float32))
X_test = torch.from_numpy(sc.transform(X_test).astype(np.float32))
y_train = torch.from_numpy(y_train.astype(np.float32)).reshape(-1, 1)
y_test = torch.from_numpy(y_test.astype(np.float32)).reshape(-1, 1)

torch.manual_seed(0)


class BinaryClassifier(nn.Module):
    def __init__(self, n_features):
        super().__init__()
        self.layer_1 = nn.Linear(n_features, 32)
        self.layer_2 = nn.Linear(32, 16)
        self.layer_out = nn.Linear(16, 1)
        self.relu = nn.ReLU()
        self.sigmoid = nn.Sigmoid()

    def forward(self, inputs):
        x = self.relu(self.layer_1(inputs))
        x = self.relu(self.layer_2(x))
        return self.sigmoid(self.layer_out(x))


clf = BinaryClassifier(X_train.shape[1])
loss_fn = nn.BCELoss()  #@ loss_fn = nn.BCEWithLogitsLoss()
opt = torch.optim.SGD(clf.parameters(), lr=0.1)

n_epochs = 60
batch = 32
for ep in range(n_epochs):
    perm = torch.randperm(len(X_train))
    running = 0.0
    for start in range(0, len(X_train), batch):
        idx = perm[start:start + batch]
        y_hat = clf(X_train[idx])
        loss = loss_fn(y_hat, y_train[idx])
        opt.zero_grad()
        loss.backward()
        opt.step()
        running += loss.item() * len(idx)
    if (ep + 1) % 10 == 0:
        with torch.no_grad():
            p = clf(X_test)
            acc = ((p > 0.5).float() == y_test).float().mean()
            conf = torch.where(y_test == 1, p, 1 - p).mean()
        print(f'epoch {ep + 1}: loss {running / len(X_train):.4f}, test acc {acc:.3f}, mean prob of truth {conf:.3f}')
