#= formula_wrong
#: Laplacian from one grad of the summed first derivatives mixes u_xy into u_xx and u_yy (Physics-Informed-Neural-Networks issue 4)
"""PINN for the 2-D Helmholtz equation u_xx + u_yy + k^2 u = q on the square, zero on the border."""
import numpy as np
import torch
import torch.autograd as autograd
import torch.nn as nn

torch.manual_seed(1234)
np.random.seed(1234)
k, a1, a2 = 1.0, 1.0, 1.0


def exact(x):
    return torch.sin(np.pi * a1 * x[:, :1]) * torch.sin(np.pi * a2 * x[:, 1:]) * (1 + x[:, :1] * x[:, 1:])


class Sequentialmodel(nn.Module):
    def __init__(self, layers):
        super().__init__()
        self.activation = nn.Tanh()
        self.loss_function = nn.MSELoss(reduction="mean")
        self.linears = nn.ModuleList([nn.Linear(i, o) for i, o in zip(layers[:-1], layers[1:])])
        for lin in self.linears:
            nn.init.xavier_normal_(lin.weight.data)
            nn.init.zeros_(lin.bias.data)

    def forward(self, x):
        a = x
        for lin in self.linears[:-1]:
            a = self.activation(lin(a))
        return self.linears[-1](a)

    def loss_BC(self, x, y):
        return self.loss_function(self.forward(x), y)

    def loss_PDE(self, x_to_train_f, q):
        g = x_to_train_f.clone()
        g.requires_grad = True
        u = self.forward(g)
        u_x = autograd.grad(u, g, torch.ones_like(u), retain_graph=True, create_graph=True)[0]
        u_xx = autograd.grad(u_x[:, [0]].sum(), g, create_graph=True)[0][:, [0]]  #@ u_xx = autograd.grad(u_x, g, torch.ones_like(u_x), create_graph=True)[0][:, [0]]
        u_yy = autograd.grad(u_x[:, [1]].sum(), g, create_graph=True)[0][:, [1]]  #@ u_yy = autograd.grad(u_x, g, torch.ones_like(u_x), create_graph=True)[0][:, [1]]
        f = u_xx + u_yy + k ** 2 * u - q
        return self.loss_function(f, torch.zeros_like(f))

    def loss(self, xb, ub, xf, q):
        return 20 * self.loss_BC(xb, ub) + self.loss_PDE(xf, q)


def source(x):
    """right-hand side of the manufactured solution, by autograd in double"""
    g = x.double().requires_grad_(True)
    u = exact(g)
    first = autograd.grad(u.sum(), g, create_graph=True)[0]
    lap = sum(autograd.grad(first[:, i].sum(), g, retain_graph=True)[0][:, [i]] for i in range(2))
    return (lap + k ** 2 * u).detach().float()


def border(n):
    s = torch.rand(n) * 2 - 1
    side = torch.randint(0, 2, (n,)).float() * 2 - 1
    flip = torch.rand(n) < 0.5
    return torch.stack([torch.where(flip, s, side), torch.where(flip, side, s)], 1)


X_f = torch.rand(600, 2) * 2 - 1
X_b = border(160)
q, u_b = source(X_f), exact(X_b)
X_test = torch.rand(2000, 2) * 2 - 1
u_test = exact(X_test)

PINN = Sequentialmodel([2, 32, 32, 1])
optimizer = torch.optim.Adam(PINN.parameters(), lr=4e-3)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 400, 0.5)
for it in range(1200):
    loss = PINN.loss(X_b, u_b, X_f, q)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    scheduler.step()
    if it % 200 == 0:
        with torch.no_grad():
            err = (torch.linalg.norm(u_test - PINN(X_test)) / torch.linalg.norm(u_test)).item()
        print("iter %4d  loss %.3e  rel. L2 error %.3f" % (it, loss.item(), err))
with torch.no_grad():
    err = (torch.linalg.norm(u_test - PINN(X_test)) / torch.linalg.norm(u_test)).item()
print("final rel. L2 error %.4f" % err)
