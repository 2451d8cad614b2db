import math
import torch
import torch.nn.functional as F

torch.manual_seed(0)
shapes = [(40, 1), (40,), (40, 40), (40,), (1, 40), (1,)]
params = [torch.randn(s) * (1 / math.sqrt(s[1])) if len(s) == 2 else torch.zeros(s) for s in shapes]
params = [p.requires_grad_(True) for p in params]


def net(x, w):
    h = torch.tanh(F.linear(x, w[0], w[1]))
    h = torch.tanh(F.linear(h, w[2], w[3]))
    return F.linear(h, w[4], w[5])


def task():
    a, ph = 0.5 + 2.0 * torch.rand(1), math.pi * torch.rand(1)

    def draw(n):
        x = torch.rand(n, 1) * 6 - 3
        return x, a * torch.sin(x + ph)
    return draw


def adapt(w, x, y, steps, create_graph):
    for _ in range(steps):
        loss = F.mse_loss(net(x, w), y)
        g = torch.autograd.grad(loss, w, create_graph=create_graph)
        w = [p - 0.05 * gi for p, gi in zip(w, g)]
    return w


meta_opt = torch.optim.Adam(params, lr=2e-3)
for it in range(1, 601):
    outer = 0.0
    for _ in range(4):
        draw = task()
        fast = adapt(params, *draw(10), steps=2, create_graph=True)
        xq, yq = draw(20)
        outer = outer + F.mse_loss(net(xq, fast), yq) / 4
    meta_opt.zero_grad()
    outer.backward()
    torch.nn.utils.clip_grad_norm_(params, 5.0)
    meta_opt.step()
    if it % 100 == 0:
        before = after = 0.0
        for _ in range(40):
            draw = task()
            x, y = draw(10)
            xq, yq = draw(40)
            fast = adapt(params, x, y, 5, False)
            with torch.no_grad():
                before += F.mse_loss(net(xq, params), yq).item() / 40
                after += F.mse_loss(net(xq, fast), yq).item() / 40
        print(f"iteration {it} meta loss {outer.item():.3f} test mse before {before:.3f} after adaptation {after:.3f}")
