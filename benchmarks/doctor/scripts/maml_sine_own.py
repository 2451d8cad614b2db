#= loss_detached
#: https://github.com/KanishJebaMathewM/Truxify/issues/13118 ; the inner step writes into a copy through .data, so the query loss has no path back to the meta parameters; diagnosis: meta gradients are cut, the meta model never trains.
import copy, math, torch
from torch import nn
from torch.func import functional_call
torch.manual_seed(0)

class SineTasks:
    def sample(self, n):
        amp = torch.rand(n, 1, 1) * 4 + .5; ph = torch.rand(n, 1, 1) * math.pi
        x = torch.rand(n, 20, 1) * 10 - 5
        return x, amp * torch.sin(x + ph)

class MAML:
    def __init__(self, inner_lr=.02, outer_lr=4e-3):
        self.model = nn.Sequential(nn.Linear(1, 40), nn.ReLU(), nn.Linear(40, 40), nn.ReLU(), nn.Linear(40, 1))
        self.inner_lr = inner_lr
        self.meta_opt = torch.optim.Adam(self.model.parameters(), lr=outer_lr)
    def adapt(self, x, y, steps=1):
        fast = dict(self.model.named_parameters())
        for _ in range(steps):
            loss = nn.functional.mse_loss(functional_call(self.model, fast, (x,)), y)
            grads = torch.autograd.grad(loss, list(fast.values()), create_graph=True)
            fast = {k: w - self.inner_lr * g for (k, w), g in zip(fast.items(), grads)}  #@ fast = {k: nn.Parameter(w.data - self.inner_lr * g.data) for (k, w), g in zip(fast.items(), grads)}
        return fast
    def meta_step(self, tasks):
        x, y = tasks
        total = 0
        for a, b in zip(x, y):
            fast = self.adapt(a[:10], b[:10])
            total = total + nn.functional.mse_loss(functional_call(self.model, fast, (a[10:],)), b[10:])
        self.meta_opt.zero_grad()
        (total / len(x)).backward()
        self.meta_opt.step()
        return total.item() / len(x)

gen, maml = SineTasks(), MAML()
for it in range(420):
    l = maml.meta_step(gen.sample(8))
    if it % 140 == 139: print('iteration', it + 1, 'query loss', round(l, 3))
x, y = gen.sample(60); e0 = e1 = 0
for a, b in zip(x, y):
    f = maml.adapt(a[:10], b[:10], steps=3)
    with torch.no_grad():
        e0 += nn.functional.mse_loss(maml.model(a[10:]), b[10:]).item() / 60
        e1 += nn.functional.mse_loss(functional_call(maml.model, f, (a[10:],)), b[10:]).item() / 60
print('before adaptation %.3f after 3 steps %.3f' % (e0, e1))
