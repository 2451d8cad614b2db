"""Monte-Carlo dropout: dropout is left on on purpose at prediction time to get an uncertainty."""
import torch
import torch.nn as nn
import numpy as np

torch.manual_seed(15)
np.random.seed(15)


def f(x):
    return x * np.sin(2 * x)


x_np = np.concatenate([np.random.uniform(-3, -0.5, 350), np.random.uniform(1, 3, 350)])[:, None]
y_np = f(x_np) + 0.1 * np.random.randn(*x_np.shape)
x, y = torch.tensor(x_np).float(), torch.tensor(y_np).float()
xt = torch.tensor(np.concatenate([np.random.uniform(-3, -0.5, 150), np.random.uniform(1, 3, 150)])[:, None]).float()
yt = torch.tensor(f(xt.numpy())).float()
x_out = torch.linspace(4.5, 6, 60)[:, None]          # far away from the data


class DropNet(nn.Module):
    def __init__(self, p=0.05):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(1, 100), nn.ReLU(), nn.Dropout(p),
            nn.Linear(100, 100), nn.ReLU(), nn.Dropout(p),
            nn.Linear(100, 1))

    def forward(self, x):
        return self.net(x)


def enable_dropout(model):
    model.eval()
    for m in model.modules():
        if isinstance(m, nn.Dropout):
            m.train()


@torch.no_grad()
def predict(model, x, samples=50):
    enable_dropout(model)
    draws = torch.stack([model(x) for _ in range(samples)])
    return draws.mean(0), draws.std(0)


model = DropNet()
opt = torch.optim.Adam(model.parameters(), lr=3e-3, weight_decay=1e-5)
loss_fn = nn.MSELoss()
for epoch in range(80):
    model.train()
    for b in torch.randperm(len(x)).split(70):
        opt.zero_grad()
        loss = loss_fn(model(x[b]), y[b])
        loss.backward()
        opt.step()
    if epoch % 20 == 19:
        mean, std = predict(model, xt)
        _, std_out = predict(model, x_out)
        print("epoch %d test rmse %.3f std inside %.3f std outside %.3f" % (epoch + 1, (mean - yt).pow(2).mean().sqrt().item(), std.mean().item(), std_out.mean().item()))
