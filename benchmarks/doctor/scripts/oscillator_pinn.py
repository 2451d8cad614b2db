#= term_without_gradient
# own (PINN variant of https://github.com/ooples/AiDotNet/issues/1844) the derivative of the network output is taken without create_graph, so the residual of the ODE contributes no gradient; right diagnosis: physics loss has no graph to the parameters.
import torch, torch.nn as nn
torch.manual_seed(3)
# y' = cos(2 t) - t / 2,  y(0) = 1
net = nn.Sequential(nn.Linear(1, 20), nn.Tanh(), nn.Linear(20, 20), nn.Tanh(), nn.Linear(20, 1))
opt = torch.optim.Adam(net.parameters(), lr=8e-3)
sch = torch.optim.lr_scheduler.ExponentialLR(opt, 0.998)

def ode(t):
    y = net(t)
    dy = torch.autograd.grad(y.sum(), t, create_graph=True)[0]  #@ dy = torch.autograd.grad(y.sum(), t, retain_graph=True)[0]
    return dy - torch.cos(2 * t) + 0.5 * t

for k in range(1800):
    t = (4 * torch.rand(80, 1)).requires_grad_()
    loss = ode(t).pow(2).mean() + 5 * (net(torch.zeros(1, 1)) - 1).pow(2).mean()
    opt.zero_grad(); loss.backward(); opt.step(); sch.step()

tt = torch.linspace(0, 4, 200).view(-1, 1)
sol = 1 + torch.sin(2 * tt) / 2 - tt ** 2 / 4
print("max abs error", round((net(tt) - sol).abs().max().item(), 4))
