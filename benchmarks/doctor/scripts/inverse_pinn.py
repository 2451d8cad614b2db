#= unregistered_parameter, not_in_optimizer
# https://github.com/ifzhang/FairMOT/issues/19 (same mechanism, in an inverse PINN) the trainable coefficient is a separate nn.Parameter and only net.parameters() is optimised, so the coefficient stays at its initial value; right diagnosis: parameter missing from optimizer.
import torch
from torch import nn

torch.manual_seed(0)
true_k = 1.7
t_obs = torch.linspace(0, 2, 40).view(-1, 1)
u_obs = torch.exp(-true_k * t_obs) + 0.01 * torch.randn(40, 1)

net = nn.Sequential(nn.Linear(1, 20), nn.Tanh(), nn.Linear(20, 20), nn.Tanh(), nn.Linear(20, 1))
k = nn.Parameter(torch.tensor(0.3))
external_trainable_variables = [k]
params = list(net.parameters()) + external_trainable_variables  #@ params = list(net.parameters())
opt = torch.optim.Adam(params, lr=1e-2)
for it in range(450):
    t = (2 * torch.rand(50, 1)).requires_grad_(True)
    u = net(t)
    du = torch.autograd.grad(u, t, torch.ones_like(u), create_graph=True)[0]
    loss = (du + k * u).pow(2).mean() + 4 * (net(t_obs) - u_obs).pow(2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
print("k = %.3f (true 1.7), data misfit %.5f" % (k.item(), (net(t_obs) - u_obs).pow(2).mean().item()))
