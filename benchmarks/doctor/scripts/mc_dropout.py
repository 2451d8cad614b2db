#= evaluation_wrong
#: https://taourl.com/read-2026803.html ; the Monte-Carlo passes run after model.eval(), so dropout is off, all samples are equal and the uncertainty is zero; diagnosis: dropout must be active for MC sampling.
import torch
from torch import nn
torch.manual_seed(12)

class MCNet(nn.Module):
    def __init__(self, p=.1):
        super().__init__()
        self.f = nn.Sequential(nn.Linear(1, 100), nn.ReLU(), nn.Dropout(p), nn.Linear(100, 100), nn.ReLU(), nn.Dropout(p), nn.Linear(100, 1))
    def forward(self, x):
        return self.f(x)

def enable_dropout(m):
    for mod in m.modules():
        if isinstance(mod, nn.Dropout):
            mod.train()

def predict_mc(model, x, T=60):
    model.eval()
    enable_dropout(model)  #@ pass
    with torch.no_grad():
        samples = torch.stack([model(x) for _ in range(T)])
    return samples.mean(0), samples.std(0)

x = torch.cat([torch.rand(150, 1) * 2 - 3, torch.rand(150, 1) * 2 + 1])
y = torch.sin(2 * x) * x * .5 + .1 * torch.randn_like(x)
net = MCNet()
opt = torch.optim.Adam(net.parameters(), lr=3e-3, weight_decay=1e-5)
net.train()
for step in range(1200):
    i = torch.randint(300, (64,))
    loss = nn.functional.mse_loss(net(x[i]), y[i])
    opt.zero_grad(); loss.backward(); opt.step()
xa = torch.rand(200, 1) * 2 - 3
xo = torch.linspace(5, 7, 100)[:, None]
mi, si = predict_mc(net, xa); mo, so = predict_mc(net, xo)
rm = ((mi - torch.sin(2 * xa) * xa * .5) ** 2).mean().sqrt()
print('rmse inside %.3f | sigma inside %.4f | sigma outside %.4f' % (rm, si.mean(), so.mean()))
print('coverage of 2 sigma + noise', ((mi - torch.sin(2 * xa) * xa * .5).abs() < 2 * (si ** 2).sqrt() + 1e-9).float().mean().item())
