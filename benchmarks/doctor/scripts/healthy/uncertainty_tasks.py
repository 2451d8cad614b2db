"""Two tasks whose weights are learned (homoscedastic uncertainty): the sum of the losses becomes negative."""
import torch
from torch import nn

torch.manual_seed(10)
x = torch.randn(3000, 10)
depth = (torch.sin(x[:, 0]) + 0.5 * x[:, 1] + 0.05 * torch.randn(3000))[:, None]
kind = (x[:, 2] * x[:, 3] > 0).long() + (x[:, 4] > 0.5).long()


class TwoHeads(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(10, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU())
        self.depth, self.kind = nn.Linear(64, 1), nn.Linear(64, 3)
        self.log_var = nn.Parameter(torch.zeros(2))

    def forward(self, x, depth, kind):
        h = self.trunk(x)
        losses = torch.stack([nn.functional.mse_loss(self.depth(h), depth) / 2, nn.functional.cross_entropy(self.kind(h), kind)])
        return (torch.exp(-self.log_var) * losses + 0.5 * self.log_var).sum(), losses.detach()


model = TwoHeads()
main, scales = [p for n, p in model.named_parameters() if n != "log_var"], [model.log_var]
opt = torch.optim.Adam([{"params": main}, {"params": scales, "lr": 1e-2}], lr=2e-3)
for step in range(800):
    i = torch.randint(0, 2500, (64,))
    loss, parts = model(x[i], depth[i], kind[i])
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 160 == 159:
        with torch.no_grad():
            test = model(x[2500:], depth[2500:], kind[2500:])[1]
        print(step + 1, f"total {loss.item():.3f} depth {test[0]:.4f} kind {test[1]:.4f}")
