import torch, torch.nn as nn, torch.nn.functional as F
from sklearn.datasets import load_digits
torch.manual_seed(0)
X = torch.tensor(load_digits().data / 16, dtype=torch.float32)
enc = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 16)); dec = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 64))
opt = torch.optim.Adam([*enc.parameters(), *dec.parameters()], 3e-3)
for ep in range(18):
    beta = min(1., (ep + 1) / 8)
    for i in torch.randperm(1500).split(75):
        mu, lv = enc(X[i]).chunk(2, 1)
        z = mu + torch.randn_like(mu) * (.5 * lv).exp()
        kl = .5 * (mu ** 2 + lv.exp() - lv - 1).mean(0).clamp(min=.1).sum()
        loss = F.binary_cross_entropy_with_logits(dec(z), X[i], reduction='sum') / len(i) + beta * kl
        opt.zero_grad(); loss.backward(); opt.step()
with torch.no_grad():
    mu, lv = enc(X[1500:]).chunk(2, 1); r = dec(mu).sigmoid()
print('negative ELBO %.2f, reconstruction mse %.4f against %.4f of the mean image' % (loss.item(), F.mse_loss(r, X[1500:]).item(), X[1500:].var(0, unbiased=False).mean().item()))
