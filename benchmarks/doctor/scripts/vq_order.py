#= parameter_unreached
#: https://github.com/andylolu2/jax-vqvae-gpt/issues/2 - the codebook term is computed after quantize was replaced by inputs + sg(quantize - inputs), so it carries no gradient to the codebook, which never moves; right: losses before the straight-through line.
import math
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)
T = 32


def waves(n):
    t = torch.arange(T) / T
    f = torch.randint(1, 4, (n, 1)).float()
    a = .5 + torch.rand(n, 1)
    return a * torch.sin(2 * math.pi * (f * t + torch.rand(n, 1))) + .3 * torch.sign(t - torch.rand(n, 1))


class Quantizer(nn.Module):
    def __init__(self, k, d, beta=.25):
        super().__init__()
        self.codebook = nn.Embedding(k, d)
        nn.init.uniform_(self.codebook.weight, -1 / k, 1 / k)
        self.beta = beta

    def forward(self, inputs):
        w = self.codebook.weight
        flat = inputs.reshape(-1, inputs.shape[-1])
        idx = torch.cdist(flat, w).argmin(1)
        quantize = self.codebook(idx).view_as(inputs)
        #+ quantize = inputs + (quantize - inputs).detach()
        encoding_loss = (quantize.detach() - inputs).pow(2).mean()
        codebook_loss = (quantize - inputs.detach()).pow(2).mean()
        quantize = inputs + (quantize - inputs).detach()
        return quantize, codebook_loss + self.beta * encoding_loss, len(idx.unique())


class Model(nn.Module):
    def __init__(self, h=48, d=8, k=48):
        super().__init__()
        self.enc = nn.Sequential(nn.Conv1d(1, h, 4, 2, 1), nn.ReLU(), nn.Conv1d(h, h, 4, 2, 1), nn.ReLU(), nn.Conv1d(h, d, 1))
        self.q = Quantizer(k, d)
        self.dec = nn.Sequential(nn.Conv1d(d, h, 3, padding=1), nn.ReLU(), nn.ConvTranspose1d(h, h, 4, 2, 1), nn.ReLU(), nn.ConvTranspose1d(h, 1, 4, 2, 1))

    def forward(self, x):
        z, l, used = self.q(self.enc(x[:, None]).transpose(1, 2))
        return self.dec(z.transpose(1, 2)).squeeze(1), l, used


net = Model()
optim = torch.optim.Adam(net.parameters(), lr=2e-3)
for step in range(600):
    x = waves(64)
    out, vq, used = net(x)
    rec = F.mse_loss(out, x)
    optim.zero_grad()
    (rec + vq).backward()
    optim.step()
    if step % 150 == 0: print(f'{step} reconstruction {rec.item():.4f} vq {vq.item():.5f} codes used {used}')
with torch.no_grad():
    x = waves(1000)
    out, vq, used = net(x)
print(f'test error {F.mse_loss(out, x).item():.4f} of variance {x.var().item():.3f}, codes used {used}')
