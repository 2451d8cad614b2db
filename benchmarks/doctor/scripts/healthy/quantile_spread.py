import numpy as np, torch, torch.nn as nn
torch.manual_seed(1); np.random.seed(1)
x = np.random.uniform(-2, 2, 1500); y = np.sin(2 * x) + np.random.randn(1500) * (.1 + .3 * np.abs(x))
x, y = torch.tensor(x[:, None], dtype=torch.float32), torch.tensor(y[:, None], dtype=torch.float32)
q = torch.tensor([.05, .25, .5, .75, .95])
net = nn.Sequential(nn.Linear(1, 48), nn.ReLU(), nn.Linear(48, 48), nn.ReLU(), nn.Linear(48, 5))
def heads(x):
    o = net(x)
    return o[:, :1] + torch.cat([torch.zeros_like(o[:, :1]), nn.functional.softplus(o[:, 1:]).cumsum(1)], 1)
opt = torch.optim.Adam(net.parameters(), 4e-3)
for ep in range(22):
    for i in torch.randperm(1200).split(60):
        e = y[i] - heads(x[i])
        loss = torch.where(e > 0, q * e, (q - 1) * e).sum(1).mean()
        opt.zero_grad(); loss.backward(); opt.step()
with torch.no_grad(): print('coverage', (y[1200:] <= heads(x[1200:])).float().mean(0).numpy().round(3), 'for', q.numpy())
