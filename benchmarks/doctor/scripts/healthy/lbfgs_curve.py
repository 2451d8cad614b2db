"""LBFGS with a closure on a small full-batch curve fit."""
import torch
import torch.nn as nn

torch.manual_seed(15)
torch.set_default_dtype(torch.float64)
x = torch.linspace(-2, 2, 120)[:, None]
f = torch.exp(-x ** 2) * torch.sin(4 * x)
train = torch.arange(120) % 3 != 0
y = f + 0.02 * torch.randn_like(f)


class Curve(nn.Module):
    def __init__(self, h=20):
        super().__init__()
        self.a = nn.Linear(1, h)
        self.b = nn.Linear(h, h)
        self.c = nn.Linear(h, 1)

    def forward(self, x):
        return self.c(torch.tanh(self.b(torch.tanh(self.a(x)))))


model = Curve()
criterion = nn.MSELoss()
optimizer = torch.optim.LBFGS(model.parameters(), lr=0.5, max_iter=8, history_size=20)
calls = 0


def closure():
    global calls
    calls += 1
    optimizer.zero_grad()
    loss = criterion(model(x[train]), y[train]) + 1e-6 * sum(p.pow(2).sum() for p in model.parameters())
    loss.backward()
    return loss


for epoch in range(110):
    loss = optimizer.step(closure)
    if epoch % 20 == 0 or epoch == 109:
        with torch.no_grad():
            test = criterion(model(x[~train]), f[~train]).item()
        print(f"step {epoch} closure calls {calls} train {loss.item():.6f} test {test:.6f} (variance {f.var().item():.3f})")
