"""Two heads (regression and classification) where many labels are missing (NaN / -1) and masked out."""
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(71)


def molecules(n, missing):
    x = torch.randn(n, 12)
    h = torch.tanh(x[:, :4].sum(1) / 2) + 0.5 * x[:, 4] * x[:, 5]
    sol = h + 0.1 * torch.randn(n)
    tox = (h - 0.7 * x[:, 6] + 0.2 * torch.randn(n) > 0).long()
    sol[torch.rand(n) < missing] = float("nan")
    tox[torch.rand(n) < missing] = -1
    return x, sol, tox


class TwoHeads(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(12, 64), nn.GELU(), nn.Linear(64, 64), nn.GELU())
        self.sol = nn.Linear(64, 1)
        self.tox = nn.Linear(64, 2)

    def forward(self, x):
        z = self.trunk(x)
        return self.sol(z).squeeze(-1), self.tox(z)


def losses(model, x, sol, tox):
    p_sol, p_tox = model(x)
    ok = ~torch.isnan(sol)
    l1 = F.mse_loss(p_sol[ok], sol[ok]) if ok.any() else p_sol.sum() * 0.0
    l2 = F.cross_entropy(p_tox, tox, ignore_index=-1)
    return l1, l2


x, sol, tox = molecules(2500, 0.6)
xv, sv, tv = molecules(600, 0.0)
model = TwoHeads()
opt = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(15):
    model.train()
    s1 = s2 = 0
    for b in torch.randperm(2500).split(100):
        l1, l2 = losses(model, x[b], sol[b], tox[b])
        loss = l1 + 0.5 * l2
        opt.zero_grad()
        loss.backward()
        opt.step()
        s1 += l1.item() / 25
        s2 += l2.item() / 25
    model.eval()
    with torch.no_grad():
        ps, pt = model(xv)
        r2 = 1 - F.mse_loss(ps, sv) / sv.var()
    if epoch % 5 == 4:
        print(f"epoch {epoch + 1} mse {s1:.4f} ce {s2:.4f} | val R2 {r2.item():.3f} val acc {(pt.argmax(1) == tv).float().mean().item():.3f}")
