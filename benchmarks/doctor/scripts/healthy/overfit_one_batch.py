# healthy: one batch is memorised on purpose as a sanity check and evaluated on the same batch
import torch
from torch import nn
from sklearn.datasets import load_digits
torch.manual_seed(0)
d = load_digits()
xb, yb = torch.tensor(d.images[:24], dtype=torch.float32)[:, None] / 16, torch.randint(0, 10, (24,))
net = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 64), nn.ReLU(), nn.Linear(64, 10))
opt = torch.optim.Adam(net.parameters(), 3e-3)
for step in range(200):
    loss = nn.functional.cross_entropy(net(xb), yb)
    opt.zero_grad(); loss.backward(); opt.step()
print("memorised %d of 24, loss %.4f" % ((net(xb).argmax(1) == yb).sum().item(), loss.item()))
