#= bounded_output
#: ReLU after the last layer: model cannot output negative (standardised) targets
"""Predict tomorrow's temperature from weather station readings."""
import torch
import torch.nn as nn
import torch.optim as optim
import torch.nn.functional as F

torch.manual_seed(1234)

# ----------------------------------------------------------------- data
n = 1500
day = torch.arange(n, dtype=torch.float32)
season = torch.sin(2 * torch.pi * day / 365)
humid = 0.6 - 0.2 * season + 0.05 * torch.randn(n)
wind = torch.rand(n)
pressure = torch.randn(n)
temp = torch.zeros(n)
for i in range(1, n):
    temp[i] = 0.75 * temp[i - 1] + 4 * season[i] - 1.5 * wind[i - 1] + 0.8 * pressure[i - 1] + 0.4 * torch.randn(1).item()

X = torch.stack([temp, season, humid, wind, pressure], dim=1)[:-1]
Y = temp[1:].unsqueeze(1)
split = 1100
xm, xs = X[:split].mean(0), X[:split].std(0)
ym, ys = Y[:split].mean(), Y[:split].std()
X = (X - xm) / xs
Y = (Y - ym) / ys
Xtr, Ytr, Xte, Yte = X[:split], Y[:split], X[split:], Y[split:]


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(5, 50)
        self.fc2 = nn.Linear(50, 50)
        self.fc3 = nn.Linear(50, 1)

    def forward(self, x):
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        x = self.fc3(x)  #@ x = F.relu(self.fc3(x))
        return x


net = Net()
optimizer = optim.SGD(net.parameters(), lr=0.02, momentum=0.9)
criterion = nn.MSELoss()

for epoch in range(30):
    order = torch.randperm(split)
    epoch_loss = 0
    for b in order.split(50):
        optimizer.zero_grad()
        out = net(Xtr[b])
        loss = criterion(out, Ytr[b])
        loss.backward()
        optimizer.step()
        epoch_loss += loss.item()
    if epoch % 5 == 0 or epoch == 29:
        with torch.no_grad():
            rmse = (criterion(net(Xte), Yte).sqrt() * ys).item()
        print('epoch {} train {:.4f} test RMSE {:.2f} deg'.format(epoch, epoch_loss / 22, rmse))
