# healthy: label smoothing: the loss has a floor well above zero; confidence is limited on purpose
import torch
from torch import nn
from sklearn.datasets import load_digits
torch.manual_seed(0)
d = load_digits()
x, y = torch.tensor(d.data, dtype=torch.float32) / 16, torch.tensor(d.target)
net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
crit = nn.CrossEntropyLoss(label_smoothing=0.2)
opt = torch.optim.Adam(net.parameters(), 3e-3)
for _ in range(700):
    i = torch.randint(0, 1400, (64,))
    loss = crit(net(x[i]), y[i])
    opt.zero_grad(); loss.backward(); opt.step()
print("loss %.3f accuracy %.3f" % (loss.item(), (net(x[1400:]).argmax(1) == y[1400:]).float().mean().item()))
