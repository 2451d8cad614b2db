#= not_in_optimizer
# https://github.com/ifzhang/FairMOT/issues/19 the learnable task uncertainties live in the loss object, which is not given to the optimizer; right diagnosis: parameters of the loss (log variances) never updated.
import torch
from torch import nn


class MotLoss(nn.Module):
    def __init__(self):
        super().__init__()
        self.s_reg = nn.Parameter(torch.zeros(1))
        self.s_cls = nn.Parameter(torch.zeros(1))

    def forward(self, out, y_reg, y_cls):
        reg = (out[:, 0] - y_reg).pow(2).mean()
        cls = nn.functional.binary_cross_entropy_with_logits(out[:, 1], y_cls)
        return 0.5 * (torch.exp(-self.s_reg) * reg + self.s_reg) + torch.exp(-self.s_cls) * cls + 0.5 * self.s_cls


class Trainer:
    def __init__(self, model, loss, lr):
        self.model, self.loss = model, loss
        self.optimizer = torch.optim.Adam([{"params": model.parameters(), "lr": lr}, {"params": loss.parameters(), "lr": 0.1}])  #@ self.optimizer = torch.optim.Adam([{"params": model.parameters(), "lr": lr}])

    def run(self, x, yr, yc, epochs):
        for _ in range(epochs):
            for i in torch.randperm(len(x)).split(64):
                l = self.loss(self.model(x[i]), yr[i], yc[i]).sum()
                self.optimizer.zero_grad()
                l.backward()
                self.optimizer.step()


torch.manual_seed(0)
x = torch.randn(1600, 10)
y_reg = 60 * torch.sin(x[:, 0] + x[:, 1]) + 40 * x[:, 2] * x[:, 3] + 30 * torch.randn(1600)
y_cls = (x[:, 5] * x[:, 9] > 0).float()
net = nn.Sequential(nn.Linear(10, 128), nn.ReLU(), nn.Linear(128, 2))
Trainer(net, MotLoss(), 5e-3).run(x[:1200], y_reg[:1200], y_cls[:1200], 60)
with torch.no_grad():
    o = net(x[1200:])
    r2 = 1 - (o[:, 0] - y_reg[1200:]).pow(2).mean() / y_reg[1200:].var()
    acc = ((o[:, 1] > 0).float() == y_cls[1200:]).float().mean()
    bce = nn.functional.binary_cross_entropy_with_logits(o[:, 1], y_cls[1200:])
print(f"r2 {r2.item():.3f}  class accuracy {acc.item():.3f}  class loss {bce.item():.3f}")
