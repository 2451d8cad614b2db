#= labels_unfit, wrong_loss_family
"""Two moons. The labels come from an exercise on support vectors."""
import numpy as np
import torch
from sklearn.datasets import make_moons
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

points, sides = make_moons(1000, noise=0.15, random_state=3)
sides = np.where(sides == 1, 1, -1)
labels = (sides + 1) / 2  #@ labels = sides
torch.manual_seed(3)
ds = TensorDataset(torch.tensor(points, dtype=torch.float), torch.tensor(labels, dtype=torch.float).reshape(-1, 1))
train_ds, test_ds = torch.utils.data.random_split(ds, [800, 200])


class MoonNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(2, 24)
        self.hidden2 = nn.Linear(24, 24)
        self.output = nn.Linear(24, 1)

    def forward(self, x):
        x = nn.functional.leaky_relu(self.hidden(x))
        x = nn.functional.leaky_relu(self.hidden2(x))
        return self.output(x)


moon = MoonNet()
crit = nn.BCEWithLogitsLoss()
optimizer = torch.optim.Adam(moon.parameters(), lr=0.003)
for epoch in range(20):
    moon.train()
    for xb, yb in DataLoader(train_ds, batch_size=20, shuffle=True):
        optimizer.zero_grad()
        loss = crit(moon(xb), yb)
        loss.backward()
        optimizer.step()
    moon.eval()
    with torch.no_grad():
        xt, yt = test_ds[:]
        acc = ((moon(xt) > 0) == (yt > 0)).float().mean()
        if epoch % 5 == 4:
            print(epoch, crit(moon(xt), yt).item(), acc.item())
