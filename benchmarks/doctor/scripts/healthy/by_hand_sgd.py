import math, torch
from sklearn.datasets import load_iris
torch.manual_seed(1)
d = load_iris(); X = torch.tensor((d.data - d.data.mean(0)) / d.data.std(0), dtype=torch.float32); y = torch.tensor(d.target)
perm = torch.randperm(150); X, y = X[perm], y[perm]
W1 = (torch.randn(4, 16) / 2).requires_grad_(); b1 = torch.zeros(16, requires_grad=True)
W2 = (torch.randn(16, 3) / 4).requires_grad_(); b2 = torch.zeros(3, requires_grad=True)
params = [W1, b1, W2, b2]; vel = [torch.zeros_like(p) for p in params]
def nll(x, t):
    z = torch.tanh(x @ W1 + b1) @ W2 + b2
    return -(z - z.logsumexp(1, keepdim=True)).gather(1, t[:, None]).mean(), z
for epoch in range(20):
    lr = .1 * .93 ** epoch
    for i in torch.randperm(110).split(11):
        loss, _ = nll(X[i], y[i])
        loss.backward()
        with torch.no_grad():
            for p, v in zip(params, vel):
                v.mul_(.8).add_(p.grad)
                p -= lr * v
                p.grad = None
print('test accuracy', (nll(X[110:], y[110:])[1].argmax(1) == y[110:]).float().mean().item())
