"""Sparse variational GP in plain torch: minibatch ELBO with the N/B factor, inducing points and hyper-parameters learned together."""
import math

import torch
from torch import nn
from torch.nn import functional as F

torch.set_default_dtype(torch.float64)
torch.manual_seed(1)
N, M, B = 2000, 24, 100
X = torch.rand(N, 1) * 6 - 3
f = lambda x: torch.sin(3 * x[:, 0]) * torch.exp(-0.1 * x[:, 0] ** 2) + 0.3 * x[:, 0]
Y = f(X) + 0.2 * torch.randn(N)
Xt = torch.rand(500, 1) * 6 - 3
Yt = f(Xt) + 0.2 * torch.randn(500)


class SVGP(nn.Module):
    def __init__(self, z):
        super().__init__()
        self.z = nn.Parameter(z.clone())
        self.m = nn.Parameter(torch.zeros(len(z)))
        self.L_raw = nn.Parameter(torch.eye(len(z)))
        self.log_ls, self.log_var, self.log_noise = (nn.Parameter(torch.tensor(v)) for v in (0.0, 0.0, -1.0))

    def k(self, a, b):
        return self.log_var.exp() * torch.exp(-0.5 * torch.cdist(a, b) ** 2 / self.log_ls.exp() ** 2)

    def q(self, x):                                     # whitened: q(u) = N(L m, L S L')
        Lz = torch.linalg.cholesky(self.k(self.z, self.z) + 1e-6 * torch.eye(len(self.z)))
        a = torch.linalg.solve_triangular(Lz, self.k(self.z, x), upper=False)
        S = self.L_raw.tril()
        mean = a.T @ self.m
        var = self.log_var.exp() - a.square().sum(0) + (S.T @ a).square().sum(0)
        return mean, var.clamp(min=1e-8)

    def elbo(self, x, y, n):
        mean, var = self.q(x)
        noise = self.log_noise.exp()
        ll = -0.5 * (math.log(2 * math.pi) + noise.log() + ((y - mean) ** 2 + var) / noise)
        S = self.L_raw.tril()
        kl = 0.5 * (S.square().sum() + self.m.square().sum() - len(self.m)) - S.diagonal().abs().log().sum()
        return ll.sum() * n / len(x) - kl


model = SVGP(X[torch.randperm(N)[:M]])
variational = [model.m, model.L_raw]
hyper = [p for p in model.parameters() if all(p is not v for v in variational)]
opt = torch.optim.Adam([{"params": variational, "lr": 0.02}, {"params": hyper, "lr": 0.01}])
for epoch in range(30):
    for b in torch.randperm(N).split(B):
        loss = -model.elbo(X[b], Y[b], N)
        opt.zero_grad()
        loss.backward()
        opt.step()
    if epoch % 6 == 5:
        with torch.no_grad():
            mean, var = model.q(Xt)
            s2 = var + model.log_noise.exp()
            nlpd = 0.5 * (math.log(2 * math.pi) + s2.log() + (Yt - mean) ** 2 / s2).mean()
        print(f"epoch {epoch + 1} -ELBO {loss.item():.1f} test rmse {(mean - Yt).square().mean().sqrt():.4f} nlpd {nlpd:.4f} noise sd {model.log_noise.exp().sqrt().item():.3f}")
