#= parameter_unreached, term_without_gradient
# https://github.com/andylolu2/jax-vqvae-gpt/issues/2 the codebook loss is computed from the tensor that already carries the straight-through gradient, so the codebook receives no gradient; right diagnosis: codebook embeddings are never trained.
import torch
from torch import nn
import torch.nn.functional as F
from sklearn.datasets import load_digits


class Quantizer(nn.Module):
    def __init__(self, k, d, beta=0.25):
        super().__init__()
        self.book = nn.Embedding(k, d)
        nn.init.uniform_(self.book.weight, -0.5, 0.5)
        self.beta = beta

    def forward(self, z):
        dist = torch.cdist(z.reshape(-1, z.size(-1)), self.book.weight)
        q = self.book(dist.argmin(1)).view_as(z)
        #+ q = z + (q - z).detach()
        vq = F.mse_loss(q, z.detach()) + self.beta * F.mse_loss(z, q.detach())
        q = z + (q - z).detach()  #@
        return q, vq


class VQVAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.enc = nn.Sequential(nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 8 * 4))
        self.vq = Quantizer(32, 4)
        self.dec = nn.Sequential(nn.Linear(32, 96), nn.ReLU(), nn.Linear(96, 64))

    def forward(self, x):
        q, l = self.vq(self.enc(x).view(-1, 8, 4))
        return self.dec(q.flatten(1)), l


torch.manual_seed(5)
imgs = torch.from_numpy(load_digits().data).float().div(8).sub(1)
model = VQVAE()
opt = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.0)
for step in range(900):
    x = imgs[torch.randint(0, 1500, (128,))]
    rec, l = model(x)
    loss = F.mse_loss(rec, x) + l
    opt.zero_grad(set_to_none=True)
    loss.backward()
    opt.step()
with torch.no_grad():
    rec, l = model(imgs[1500:])
print(f"held-out: rec {F.mse_loss(rec, imgs[1500:]).item():.4f} vq {l.item():.4f}")
