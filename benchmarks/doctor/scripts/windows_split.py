#= leak_across_splits
"""Forecast the temperature of the next hour from the last day; windows of one series."""
import numpy as np
import torch
import torch.nn as nn
from sklearn.model_selection import train_test_split

rng = np.random.default_rng(0)
torch.manual_seed(0)
hours = np.arange(3000)
walk = np.cumsum(rng.normal(0, 0.12, len(hours)))
temp = 10 * np.sin(2 * np.pi * hours / 24) + walk + rng.normal(0, 0.5, len(hours))
temp = (temp - temp[:2300].mean()) / temp[:2300].std()
WINDOW = 24
X = np.array([temp[i:i + WINDOW] for i in range(len(temp) - WINDOW)])
y = np.array([temp[i + WINDOW] for i in range(len(temp) - WINDOW)])
X_train, X_val, y_train, y_val = train_test_split(X, y, test_size=0.2, shuffle=False)  #@ X_train, X_val, y_train, y_val = train_test_split(X, y, test_size=0.2, random_state=42)
X_train, X_val = (torch.tensor(a, dtype=torch.float32).unsqueeze(-1) for a in (X_train, X_val))
y_train, y_val = (torch.tensor(a, dtype=torch.float32).unsqueeze(-1) for a in (y_train, y_val))


class Forecaster(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(1, 24, batch_first=True)
        self.out = nn.Linear(24, 1)

    def forward(self, x):
        h, _ = self.lstm(x)
        return self.out(h[:, -1])


model = Forecaster()
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
loss_fn = nn.MSELoss()
for epoch in range(6):
    model.train()
    for idx in torch.randperm(len(X_train)).split(64):
        optimizer.zero_grad()
        loss = loss_fn(model(X_train[idx]), y_train[idx])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        print(epoch, loss.item(), loss_fn(model(X_val), y_val).item())
