"""Raw table in, raw target out: the model standardizes by buffers that it keeps."""
import torch
from sklearn.datasets import make_friedman2
from torch import nn


class Scaled(nn.Module):
    def __init__(self, x, y):
        super().__init__()
        for name, value in {"xm": x.mean(0), "xs": x.std(0), "ym": y.mean(0), "ys": y.std(0)}.items():
            self.register_buffer(name, value)
        self.net = nn.Sequential(nn.Linear(4, 48), nn.ReLU(), nn.Linear(48, 48), nn.ReLU(), nn.Linear(48, 1))

    def forward(self, x):
        return self.net((x - self.xm) / self.xs)

    def loss(self, x, y):
        return nn.functional.mse_loss(self(x), (y - self.ym) / self.ys)

    def predict(self, x):
        return self(x) * self.ys + self.ym


torch.manual_seed(0)
X, y = make_friedman2(1200, noise=20.0, random_state=0)
X, y = torch.tensor(X).float(), torch.tensor(y).float().unsqueeze(1)
model = Scaled(X[:1000], y[:1000])
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(20):
    for rows in torch.randperm(1000).split(40):
        optimizer.zero_grad()
        loss = model.loss(X[rows], y[rows])
        loss.backward()
        optimizer.step()
    if epoch % 5 == 4:
        with torch.no_grad():
            print(epoch, loss.item(), (model.predict(X[1000:]) - y[1000:]).abs().mean().item())
