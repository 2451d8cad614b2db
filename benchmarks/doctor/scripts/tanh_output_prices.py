#= bounded_output
"""Prices of flats in thousands, standardized inputs."""
import numpy as np
import torch
from torch import nn

np.random.seed(1)
torch.manual_seed(1)
rooms = np.random.randint(1, 7, 600)
area = rooms * 18 + np.random.normal(20, 8, 600)
distance = np.random.exponential(4, 600)
price = 40 + 1.8 * area - 6 * distance + 10 * rooms + np.random.normal(0, 8, 600)

X = np.stack([rooms, area, distance], axis=1)
X = (X - X.mean(axis=0)) / X.std(axis=0)
Y = (price - price.mean()) / price.std()
X, Y = torch.from_numpy(X).float(), torch.from_numpy(Y).float().view(-1, 1)


class PriceModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc_in = nn.Linear(3, 20)
        self.fc_hid = nn.Linear(20, 20)
        self.fc_out = nn.Linear(20, 1)
        self.activation = nn.Tanh()

    def forward(self, x):
        for layer in [self.fc_in, self.fc_hid]:
            x = self.activation(layer(x))
        x = self.fc_out(x)  #@ x = self.activation(self.fc_out(x))
        return x


model, lossfn = PriceModel(), nn.MSELoss()
optim = torch.optim.Adam(model.parameters(), lr=0.01)
batch = 25
for ep in range(40):
    for k in range(500 // batch):
        xb, yb = X[k * batch : (k + 1) * batch], Y[k * batch : (k + 1) * batch]
        optim.zero_grad()
        out = model(xb)
        err = lossfn(out, yb)
        err.backward()
        optim.step()
    if ep % 10 == 9:
        with torch.no_grad():
            print(ep, lossfn(model(X[:500]), Y[:500]).item(), lossfn(model(X[500:]), Y[500:]).item())
