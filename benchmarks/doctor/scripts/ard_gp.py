#= parameter_unreached
#: the kernel's per-dimension length scales are read as .data, so they keep their start value (like gpytorch issue 1359)
"""Exact GP regression with an RBF-ARD kernel; hyper-parameters by Adam on the marginal likelihood."""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(5)
torch.set_default_dtype(torch.float64)
D = 6
X = torch.rand(140, D) * 2 - 1
f = lambda x: torch.sin(5 * x[:, 0]) + 0.5 * torch.cos(3 * x[:, 1])
Y = f(X) + 0.1 * torch.randn(140)
Xs = torch.rand(400, D) * 2 - 1
Ys = f(Xs)


class RBFKernel(nn.Module):
    def __init__(self, ard_num_dims):
        super().__init__()
        self.raw_lengthscale = nn.Parameter(torch.zeros(ard_num_dims))
        self.raw_outputscale = nn.Parameter(torch.zeros(1))

    @property
    def lengthscale(self):
        return F.softplus(self.raw_lengthscale)  #@ return F.softplus(self.raw_lengthscale.data)

    def forward(self, a, b):
        d2 = torch.cdist(a / self.lengthscale, b / self.lengthscale).clamp(min=1e-12) ** 2
        return F.softplus(self.raw_outputscale) * torch.exp(-0.5 * d2)


class ExactGP(nn.Module):
    def __init__(self, x, y):
        super().__init__()
        self.x, self.y = x, y
        self.mean = nn.Parameter(torch.zeros(1))
        self.kernel = RBFKernel(x.shape[1])
        self.raw_noise = nn.Parameter(torch.tensor(-1.0))

    def chol(self):
        K = self.kernel(self.x, self.x) + (F.softplus(self.raw_noise) + 1e-5) * torch.eye(len(self.x))
        return torch.linalg.cholesky(K)

    def neg_mll(self):
        L, r = self.chol(), (self.y - self.mean)[:, None]
        alpha = torch.cholesky_solve(r, L)
        return (0.5 * (r * alpha).sum() + L.diagonal().log().sum() + 0.5 * len(r) * math.log(2 * math.pi)) / len(r)

    @torch.no_grad()
    def predict(self, xs):
        L = self.chol()
        k = self.kernel(self.x, xs)
        mu = self.mean + (k.T @ torch.cholesky_solve((self.y - self.mean)[:, None], L))[:, 0]
        v = torch.linalg.solve_triangular(L, k, upper=False)
        var = F.softplus(self.kernel.raw_outputscale) - v.square().sum(0)
        return mu, var.clamp(min=1e-8)


model = ExactGP(X, Y)
optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
for i in range(250):
    optimizer.zero_grad()
    loss = model.neg_mll()
    loss.backward()
    optimizer.step()
    if i % 50 == 0:
        mu, _ = model.predict(Xs)
        print("Iter %d/250 - Loss: %.3f  noise %.3f  test rmse %.3f" % (i + 1, loss.item(), F.softplus(model.raw_noise).item(), (mu - Ys).square().mean().sqrt()))

mu, var = model.predict(Xs)
print("length scales", [round(v, 2) for v in model.kernel.lengthscale.tolist()])
print("test rmse %.4f   mean predictive sd %.3f" % ((mu - Ys).square().mean().sqrt(), var.sqrt().mean()))
