"""L-BFGS with a closure over the whole set, double precision."""
import torch
from sklearn.datasets import load_diabetes
from torch import nn

torch.set_default_dtype(torch.float64)
torch.manual_seed(12)
x, y = load_diabetes(return_X_y=True)
x, y = torch.tensor(x) * 20, torch.tensor(y)[:, None]
x_fit, y_fit, x_new, y_new = x[:340], y[:340], x[340:], y[340:]
mean, std = y_fit.mean(), y_fit.std()
net = nn.Sequential(nn.Linear(10, 8), nn.Tanh(), nn.Linear(8, 1))
opt = torch.optim.LBFGS(net.parameters(), lr=0.5, max_iter=5, line_search_fn="strong_wolfe")


def closure():
    opt.zero_grad()
    loss = nn.functional.mse_loss(net(x_fit), (y_fit - mean) / std) + 2e-2 * sum(p.square().sum() for p in net.parameters())
    loss.backward()
    return loss


for it in range(30):
    loss = opt.step(closure)
    if it % 6 == 5:
        with torch.no_grad():
            print(it + 1, round(loss.item(), 4), "new", round(nn.functional.mse_loss(net(x_new), (y_new - mean) / std).item(), 4))
torch.set_default_dtype(torch.float32)
