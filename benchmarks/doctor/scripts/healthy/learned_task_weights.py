"""Multi-task net: one regression and one classification head, losses balanced by learned log variances."""
import torch
import torch.nn as nn

torch.manual_seed(23)


def data(n):
    x = torch.randn(n, 12)
    h = torch.tanh(x[:, :4] @ torch.tensor([1.0, -1.0, 0.5, 0.8]))
    value = 50 * h + 10 * x[:, 5] + 3 * torch.randn(n)
    label = ((h + 0.5 * x[:, 6] + 0.2 * torch.randn(n)) > 0).float()
    return x, value, label


class TwoHeads(nn.Module):
    def __init__(self):
        super().__init__()
        self.shared = nn.Sequential(nn.Linear(12, 48), nn.ReLU(), nn.Linear(48, 48), nn.ReLU())
        self.reg = nn.Linear(48, 1)
        self.cls = nn.Linear(48, 1)
        self.log_var = nn.Parameter(torch.zeros(2))

    def forward(self, x):
        h = self.shared(x)
        return self.reg(h).squeeze(1), self.cls(h).squeeze(1)

    def loss(self, x, v, c):
        pv, pc = self(x)
        l1 = nn.functional.mse_loss(pv, v)
        l2 = nn.functional.binary_cross_entropy_with_logits(pc, c)
        w = torch.exp(-self.log_var)
        return 0.5 * w[0] * l1 + w[1] * l2 + 0.5 * self.log_var.sum()


x, v, c = data(2000)
xt, vt, ct = data(500)
m, s = v.mean(), v.std()
v = (v - m) / s
model = TwoHeads()
opt = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(12):
    for idx in torch.randperm(2000).split(64):
        loss = model.loss(x[idx], v[idx], c[idx])
        opt.zero_grad()
        loss.backward()
        opt.step()
    with torch.no_grad():
        pv, pc = model(xt)
        rmse = (pv * s + m - vt).pow(2).mean().sqrt()
        acc = ((pc > 0) == ct.bool()).float().mean()
    print(f"epoch {epoch} loss {loss.item():.3f} rmse {rmse:.2f} (std {s:.1f}) acc {acc:.3f}")
