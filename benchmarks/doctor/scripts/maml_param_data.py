#= loss_detached
# https://github.com/KanishJebaMathewM/Truxify/issues/13118 - the inner step writes through .data of a copy, which cuts the graph to the meta weights, so they never move; right: functional update with create_graph.
import copy, math
import torch
from torch import nn
from torch.func import functional_call

torch.manual_seed(0)


def task():
    a, p = torch.empty(1).uniform_(0.5, 4), torch.empty(1).uniform_(0, math.pi)
    def draw(n=10):
        x = torch.empty(n, 1).uniform_(-4, 4)
        return x, a * torch.sin(x + p)
    return draw


class MAML:
    def __init__(self, inner_lr=0.02, meta_lr=2e-3):
        self.model = nn.Sequential(nn.Linear(1, 40), nn.ReLU(), nn.Linear(40, 40), nn.ReLU(), nn.Linear(40, 1))
        self.opt = torch.optim.Adam(self.model.parameters(), lr=meta_lr)
        self.inner_lr, self.crit = inner_lr, nn.MSELoss()

    def adapt(self, x, y, steps=1):
        w = dict(self.model.named_parameters())
        #+ clone = copy.deepcopy(self.model)
        for _ in range(steps):
            loss = self.crit(functional_call(self.model, w, x), y)  #@ loss = self.crit(clone(x), y)
            grads = torch.autograd.grad(loss, w.values(), create_graph=True)  #@ grads = torch.autograd.grad(loss, clone.parameters(), create_graph=True)
            w = {k: v - self.inner_lr * g for (k, v), g in zip(w.items(), grads)}  #@ for v, g in zip(clone.parameters(), grads): v.data -= self.inner_lr * g
        return lambda q: functional_call(self.model, w, q)  #@ return clone

    def meta_step(self, tasks):
        meta = 0.
        for draw in tasks:
            f = self.adapt(*draw())
            xq, yq = draw()
            meta = meta + self.crit(f(xq), yq)
        meta = meta / len(tasks)
        self.opt.zero_grad()
        meta.backward()
        self.opt.step()
        return meta.item()


m = MAML()
for it in range(450):
    l = m.meta_step([task() for _ in range(5)])
tot = 0
for _ in range(60):
    d = task()
    f = m.adapt(*d(), steps=3)
    xq, yq = d(100)
    tot += m.crit(f(xq), yq).item()
print('query mse after 3 adaptation steps:', round(tot / 60, 3))
