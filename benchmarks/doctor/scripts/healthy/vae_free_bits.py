# healthy: VAE with KL warm-up and free bits; sums over dimensions, means over the batch
import torch
from torch import nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
torch.manual_seed(0)
x = torch.tensor(load_digits().data, dtype=torch.float32) / 16
enc = nn.Sequential(nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 16))
dec = nn.Sequential(nn.Linear(8, 96), nn.ReLU(), nn.Linear(96, 64))
opt = torch.optim.Adam([*enc.parameters(), *dec.parameters()], 3e-3)
for it in range(300):
    b = x[torch.randint(0, 1400, (100,))]
    mu, lv = enc(b).chunk(2, 1)
    z = mu + (0.5 * lv).exp() * torch.randn_like(mu)
    rec = F.binary_cross_entropy_with_logits(dec(z), b, reduction="none").sum(1).mean()
    kl = (0.5 * (mu ** 2 + lv.exp() - 1 - lv)).mean(0).clamp(min=0.1).sum()
    loss = rec + min(1.0, it / 150) * kl
    opt.zero_grad(); loss.backward(); opt.step()
with torch.no_grad():
    mu, lv = enc(x[1400:]).chunk(2, 1)
    print("reconstruction mse %.4f (mean image %.4f)" % (F.mse_loss(dec(mu).sigmoid(), x[1400:]), F.mse_loss(x[:1400].mean(0).expand(397, 64), x[1400:])))
