"""MAML on sine regression with functional_call and second-order gradients; the pre-update loss never becomes small."""
import math

import torch
import torch.nn as nn
from torch.func import functional_call

torch.manual_seed(2)


def tasks(n, k=10):
    amp, phase = torch.rand(n, 1, 1) * 4 + 0.5, torch.rand(n, 1, 1) * math.pi
    x = torch.rand(n, 2 * k, 1) * 10 - 5
    y = amp * torch.sin(x - phase)
    return x[:, :k], y[:, :k], x[:, k:], y[:, k:]


net = nn.Sequential(nn.Linear(1, 40), nn.Tanh(), nn.Linear(40, 40), nn.Tanh(), nn.Linear(40, 1))
inner_lr = 0.03


def adapt(params, x, y, steps, create_graph):
    for _ in range(steps):
        loss = (functional_call(net, params, (x,)) - y).square().mean()
        grads = torch.autograd.grad(loss, tuple(params.values()), create_graph=create_graph)
        params = {k: p - inner_lr * g for (k, p), g in zip(params.items(), grads)}
    return params


def evaluate(n=40):
    pre = post = 0.0
    for xs, ys, xq, yq in zip(*tasks(n)):
        fast = adapt(dict(net.named_parameters()), xs, ys, 5, False)
        with torch.no_grad():
            pre += (net(xq) - yq).square().mean().item() / n
            post += (functional_call(net, fast, (xq,)) - yq).square().mean().item() / n
    return pre, post


meta_opt = torch.optim.Adam(net.parameters(), lr=3e-3)
print("before: query mse %.3f, after five steps %.3f" % evaluate())
for it in range(300):
    outer = 0.0
    for xs, ys, xq, yq in zip(*tasks(4)):
        fast = adapt(dict(net.named_parameters()), xs, ys, 2, True)
        outer = outer + (functional_call(net, fast, (xq,)) - yq).square().mean()
    outer = outer / 4
    meta_opt.zero_grad()
    outer.backward()
    meta_opt.step()
    if it % 75 == 74:
        print(f"iteration {it + 1} meta loss {outer.item():.3f}  " + "query mse %.3f, after five steps %.3f" % evaluate())
