# healthy: a frozen EMA copy is evaluated, its buffers are copied; the copy never has gradients
import copy, torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from sklearn.datasets import load_digits
torch.manual_seed(0)
d = load_digits()
x, y = torch.tensor(d.data, dtype=torch.float32) / 16, torch.tensor(d.target)
net = nn.Sequential(nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 10))
ema = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(0.97), use_buffers=True)
opt = torch.optim.SGD(net.parameters(), 0.1, momentum=0.9)
for _ in range(250):
    i = torch.randint(0, 1400, (64,))
    opt.zero_grad(); nn.functional.cross_entropy(net(x[i]), y[i]).backward(); opt.step()
    ema.update_parameters(net)
ema.eval()
print("ema accuracy %.3f" % (ema(x[1400:]).argmax(1) == y[1400:]).float().mean().item())
