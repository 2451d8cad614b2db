#= inputs_constant
#: missing values are left in the feature matrix, the loss is nan from the first epoch on
"""Titanic-like survival model."""
import numpy as np
import torch
from torch import nn, optim

np.random.seed(1912)
torch.manual_seed(1912)
n = 890
sex = np.random.randint(0, 2, n).astype(float)
pclass = np.random.randint(1, 4, n).astype(float)
age = np.random.normal(30, 12, n).clip(1, 80)
fare = np.random.exponential(30, n)
logit = 2.4 * sex - 1.0 * (pclass - 2) - 0.03 * (age - 30) + 0.01 * (fare - 30) - 1.0
survived = (np.random.rand(n) < 1 / (1 + np.exp(-1.5 * logit))).astype(np.float32)
age[np.random.rand(n) < 0.2] = np.nan
X = np.stack([sex, pclass, age, fare], axis=1)
median_age = np.nanmedian(X[:700, 2])
X[:, 2] = np.where(np.isnan(X[:, 2]), median_age, X[:, 2])  #@
X = (X - np.nanmean(X[:700], axis=0)) / np.nanstd(X[:700], axis=0)
train_X, train_y = torch.FloatTensor(X[:700]), torch.FloatTensor(survived[:700])
valid_X, valid_y = torch.FloatTensor(X[700:]), torch.FloatTensor(survived[700:])


class TitanicNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(4, 16)
        self.fc2 = nn.Linear(16, 1)

    def forward(self, x):
        return torch.sigmoid(self.fc2(torch.relu(self.fc1(x))))[:, 0]


model = TitanicNet()
criterion = nn.MSELoss()
optimizer = optim.Adam(model.parameters(), lr=0.01)
batch_size = 35
for epoch in range(12):
    train_loss = 0
    for i in range(700 // batch_size):
        s = slice(i * batch_size, (i + 1) * batch_size)
        optimizer.zero_grad()
        loss = criterion(model(train_X[s]), train_y[s])
        loss.backward()
        optimizer.step()
        train_loss += loss.item()
    with torch.no_grad():
        result = (model(valid_X) > 0.5).float()
        acc = (result == valid_y).float().mean().item()
    print("Epoch: {} Training Loss: {:.3f} Valid accuracy: {:.3f}".format(epoch + 1, train_loss / 20, acc))
