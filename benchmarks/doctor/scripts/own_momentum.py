#= formula_wrong
#: https://github.com/ooples/AiDotNet/issues/2008 ; velocity is v + mu*g instead of mu*v + g, so it never decays and the step grows without bound; diagnosis: momentum recursion wrong.
import torch
from sklearn.datasets import load_diabetes
torch.manual_seed(0)
class GradientDescentOptimizer:
    def __init__(self, params, lr, momentum=.9):
        self.p = [q for q in params]; self.lr, self.mu = lr, momentum; self.prev = [torch.zeros_like(q) for q in self.p]
    def apply_momentum(self, prev, grad):
        return prev * self.mu + grad  #@ return prev + grad * self.mu
    @torch.no_grad()
    def step(self):
        for k, q in enumerate(self.p):
            self.prev[k] = self.apply_momentum(self.prev[k], q.grad); q.sub_(self.lr * self.prev[k]); q.grad = None
X, y = load_diabetes(return_X_y=True, scaled=False)
X = torch.tensor(X); X = ((X - X.mean(0)) / X.std(0)).float(); y = torch.tensor(y).float()[:, None]
i = torch.randperm(442); tr, te = i[:340], i[340:]; m, s = y[tr].mean(), y[tr].std()
net = torch.nn.Sequential(torch.nn.Linear(10, 16), torch.nn.Tanh(), torch.nn.Linear(16, 1))
opt = GradientDescentOptimizer(net.parameters(), lr=.01)
for step in range(400):
    b = tr[torch.randint(340, (64,))]
    loss = ((net(X[b]) - (y[b] - m) / s) ** 2).mean(); loss.backward(); opt.step()
    if step % 80 == 79: print(step + 1, 'loss %.4f' % loss.item())
with torch.no_grad(): e = net(X[te]) * s + m - y[te]
print('rmse %.2f r2 %.3f' % ((e ** 2).mean().sqrt(), 1 - (e ** 2).mean() / y[te].var()))
