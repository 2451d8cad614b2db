#= poor_init
"""Friedman's function with a tanh network whose weights somebody draws by hand."""
import torch
from sklearn.datasets import make_friedman1
from torch import nn


def init_weights(m):
    if isinstance(m, nn.Linear):
        nn.init.xavier_normal_(m.weight)  #@ nn.init.normal_(m.weight, mean=0.0, std=1.0)
        nn.init.zeros_(m.bias)


class Regressor(nn.Module):
    def __init__(self, width=100):
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(10, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh()
        )
        self.out = nn.Linear(width, 1)

    def forward(self, x):
        return self.out(self.body(x)).squeeze(-1)


torch.manual_seed(2)
X, y = make_friedman1(n_samples=1200, noise=0.3, random_state=2)
X = torch.tensor((X - 0.5) / 0.29, dtype=torch.float32)
y = torch.tensor((y - y.mean()) / y.std(), dtype=torch.float32)
model = Regressor()
model.apply(init_weights)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
mse = nn.MSELoss()
for epoch in range(25):
    model.train()
    for i in range(0, 1000, 50):
        optimizer.zero_grad()
        loss = mse(model(X[i : i + 50]), y[i : i + 50])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        validation = mse(model(X[1000:]), y[1000:]).item()
    if epoch % 5 == 4:
        print("epoch", epoch, "train", loss.item(), "validation", validation)
