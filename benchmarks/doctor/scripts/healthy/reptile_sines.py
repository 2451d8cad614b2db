"""Reptile meta-learning on sine tasks: weights jump back after every inner loop."""
import copy
import math
import torch
import torch.nn as nn

torch.manual_seed(90)


class Task:
    def __init__(self):
        self.amp = 0.5 + 2 * torch.rand(1).item()
        self.phase = 1.2 * torch.rand(1).item()

    def sample(self, n):
        x = torch.rand(n, 1) * 6 - 3
        return x, self.amp * torch.sin(x + self.phase)


def inner_train(model, x, y, steps, lr):
    opt = torch.optim.SGD(model.parameters(), lr=lr)
    for _ in range(steps):
        loss = (model(x) - y).pow(2).mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
    return loss.item()


eval_tasks = [Task() for _ in range(15)]
shots = [t.sample(10) for t in eval_tasks]


def meta_eval(model):
    before = after = 0.
    for t, (xs, ys) in zip(eval_tasks, shots):
        clone = copy.deepcopy(model)
        xq, yq = t.sample(100)
        with torch.no_grad():
            before += (clone(xq) - yq).pow(2).mean().item()
        inner_train(clone, xs, ys, 12, 0.05)
        with torch.no_grad():
            after += (clone(xq) - yq).pow(2).mean().item()
    return before / 15, after / 15


model = nn.Sequential(nn.Linear(1, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1))
print("untrained   before %.3f after %.3f" % meta_eval(model))
META = 700
for it in range(1, META + 1):
    old = copy.deepcopy(model.state_dict())
    x, y = Task().sample(30)
    inner_train(model, x, y, 6, 0.05)
    step = 1.0 * (1 - it / META) + 0.05
    new = model.state_dict()
    model.load_state_dict({k: old[k] + step * (new[k] - old[k]) for k in old})
    if it % 140 == 0:
        print("iteration %d  before %.3f after adaptation %.3f" % ((it,) + meta_eval(model)))
