#= formula_wrong
#: https://github.com/mila-iqia/blocks/issues/1175 (and 1159) ; the moving averages use (1-beta) for the old value and beta for the new one, so there is no momentum and no memory while the bias correction assumes it; diagnosis: EMA weights backwards.
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits

class MyAdam:
    def __init__(self, params, lr=1e-3, betas=(.9, .999), eps=1e-8):
        self.params = list(params); self.lr, self.b1, self.b2, self.eps, self.t = lr, *betas, eps, 0
        self.m = [torch.zeros_like(p) for p in self.params]
        self.v = [torch.zeros_like(p) for p in self.params]
    @torch.no_grad()
    def step(self):
        self.t += 1
        for p, m, v in zip(self.params, self.m, self.v):
            g = p.grad
            m.copy_(self.b1 * m + (1 - self.b1) * g)  #@ m.copy_((1 - self.b1) * m + self.b1 * g)
            v.copy_(self.b2 * v + (1 - self.b2) * g * g)  #@ v.copy_((1 - self.b2) * v + self.b2 * g * g)
            mh = m / (1 - self.b1 ** self.t); vh = v / (1 - self.b2 ** self.t)
            p -= self.lr * mh / (vh.sqrt() + self.eps)
    def zero_grad(self):
        for p in self.params: p.grad = None

torch.manual_seed(0)
X, y = load_digits(return_X_y=True); X = torch.tensor(X).float() / 16; y = torch.tensor(y)
i = torch.randperm(1797); X, y = X[i], y[i]
net = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))
opt = MyAdam(net.parameters(), lr=2e-3)
for epoch in range(8):
    for k in range(0, 1400, 20):
        loss = F.cross_entropy(net(X[k:k + 20]), y[k:k + 20])
        opt.zero_grad(); loss.backward(); opt.step()
    with torch.no_grad():
        o = net(X[1400:]); print(epoch, 'train batch loss %.4f' % loss, 'test loss %.4f acc %.4f' % (F.cross_entropy(o, y[1400:]), (o.argmax(1) == y[1400:]).float().mean()))
