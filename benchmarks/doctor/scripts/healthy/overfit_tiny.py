"""sanity check: 24 images, the net must memorise them completely; test score is not the point"""
import torch, torch.nn as nn
from sklearn.datasets import load_digits
torch.manual_seed(0)
d = load_digits(); x, y = torch.tensor(d.images[:24]).float()[:, None] / 16, torch.tensor(d.target[:24])
net = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 16, 3), nn.ReLU(), nn.Flatten(), nn.Linear(256, 10)); opt = torch.optim.Adam(net.parameters(), lr=3e-3)
init = nn.functional.cross_entropy(net(x), y).item(); assert abs(init - 2.3026) < .3
for i in range(150):
    loss = nn.functional.cross_entropy(net(x), y); opt.zero_grad(); loss.backward(); opt.step()
print('loss at start %.3f after 150 steps on one batch %.5f acc %.2f' % (init, loss.item(), (net(x).argmax(1) == y).float().mean().item()))
