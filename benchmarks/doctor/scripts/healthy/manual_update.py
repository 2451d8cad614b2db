# healthy: no torch.optim: parameters are updated in place under no_grad, gradients set to None
import torch
torch.manual_seed(0)
X = torch.randn(400, 6)
y = torch.sigmoid(2 * X[:, 0] - X[:, 1] * X[:, 2]) .gt(0.5).float()
W1 = (torch.randn(6, 24) * 0.4).requires_grad_(); b1 = torch.zeros(24, requires_grad=True)
W2 = (torch.randn(24, 1) * 0.2).requires_grad_(); b2 = torch.zeros(1, requires_grad=True)
P = [W1, b1, W2, b2]
vel = [torch.zeros_like(p) for p in P]
f = lambda x: (torch.tanh(x @ W1 + b1) @ W2 + b2).squeeze(1)
for it in range(400):
    i = torch.randint(0, 300, (50,))
    loss = torch.nn.functional.binary_cross_entropy_with_logits(f(X[i]), y[i])
    loss.backward()
    with torch.no_grad():
        for p, v in zip(P, vel):
            v.mul_(0.9).add_(p.grad)
            p -= 0.1 * v
            p.grad = None
print("accuracy %.3f" % ((f(X[300:]) > 0) == (y[300:] > 0.5)).float().mean().item())
