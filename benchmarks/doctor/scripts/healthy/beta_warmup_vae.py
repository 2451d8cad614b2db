import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.manual_seed(0)
x = torch.tensor(load_digits().data / 16.0, dtype=torch.float32)
x = x[torch.randperm(len(x))]
tr, te = x[:1500], x[1500:]


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.e = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 20))
        self.d = nn.Sequential(nn.Linear(10, 128), nn.ReLU(), nn.Linear(128, 64))

    def forward(self, a):
        mu, lv = self.e(a).chunk(2, 1)
        return self.d(mu + torch.randn_like(mu) * (0.5 * lv).exp()), mu, lv


m = VAE()
opt = torch.optim.Adam(m.parameters(), lr=2e-3)
for epoch in range(40):
    beta = min(1.0, epoch / 15)
    for b in torch.randperm(1500).split(50):
        r, mu, lv = m(tr[b])
        rec = F.binary_cross_entropy_with_logits(r, tr[b], reduction="sum") / len(b)
        kl = -0.5 * (1 + lv - mu ** 2 - lv.exp()).sum() / len(b)
        loss = rec + beta * kl
        opt.zero_grad()
        loss.backward()
        opt.step()
    if epoch % 8 == 7:
        with torch.no_grad():
            r, mu, lv = m(te)
            mse = F.mse_loss(r.sigmoid(), te).item()
        print(f"epoch {epoch+1} beta {beta:.2f} loss {loss.item():.2f} rec {rec.item():.2f} kl {kl.item():.2f} test mse {mse:.4f} (mean image {te.var(0).mean():.4f})")
