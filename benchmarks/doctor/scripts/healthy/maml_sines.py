# healthy: second-order MAML: inner updates by hand with create_graph, outer Adam on the initial weights
import math, torch
import torch.nn.functional as F
torch.manual_seed(0)
w = [(torch.randn(24, 1) * 1.0), torch.randn(24) * 0.5, torch.randn(24, 24) / 5, torch.zeros(24), torch.randn(1, 24) / 5, torch.zeros(1)]
for p in w: p.requires_grad_()
def net(x, w):
    return F.linear(torch.tanh(F.linear(torch.tanh(F.linear(x, w[0], w[1])), w[2], w[3])), w[4], w[5])
def task():
    a, ph = 0.5 + 2 * torch.rand(1), math.pi * torch.rand(1)
    def draw(n):
        x = 6 * torch.rand(n, 1) - 3
        return x, a * torch.sin(x + ph)
    return draw
def adapt(w, x, y, graph, n=1):
    for _ in range(n):
        g = torch.autograd.grad(F.mse_loss(net(x, w), y), w, create_graph=graph)
        w = [p - 0.05 * q for p, q in zip(w, g)]
    return w
opt = torch.optim.Adam(w, 3e-3)
for it in range(220):
    opt.zero_grad()
    for _ in range(3):
        draw = task()
        fast = adapt(w, *draw(10), True)
        xq, yq = draw(10)
        (F.mse_loss(net(xq, fast), yq) / 3).backward()
    opt.step()
before = after = 0
for _ in range(60):
    draw = task(); xs, ys = draw(10); xq, yq = draw(50)
    before += F.mse_loss(net(xq, w), yq).item() / 60
    after += F.mse_loss(net(xq, adapt([p.detach().requires_grad_() for p in w], xs, ys, False, 5)), yq).item() / 60
print("query error before %.3f after adaptation %.3f" % (before, after))
