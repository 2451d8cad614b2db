#= gradients_not_cleared
"""Logistic regression, gradient descent by hand."""
import torch
from sklearn.datasets import make_blobs

torch.manual_seed(0)
points, label = make_blobs(600, centers=2, n_features=4, cluster_std=3.0, random_state=6)
points = torch.tensor((points - points.mean(0)) / points.std(0), dtype=torch.float32)
label = torch.tensor(label, dtype=torch.float32)

w = torch.randn(4, requires_grad=True)
b = torch.zeros(1, requires_grad=True)
learning_rate = 0.5


def model(x):
    return 1 / (1 + torch.exp(-(x @ w + b)))


def loss_fn(p, t):
    p = p.clamp(1e-6, 1 - 1e-6)
    return -(t * p.log() + (1 - t) * (1 - p).log()).mean()


for epoch in range(60):
    for k in range(0, 500, 50):
        loss = loss_fn(model(points[k : k + 50]), label[k : k + 50])
        loss.backward()
        with torch.no_grad():
            w -= learning_rate * w.grad
            b -= learning_rate * b.grad
            w.grad.zero_()  #@
            b.grad.zero_()  #@
    if epoch % 12 == 11:
        with torch.no_grad():
            test = model(points[500:])
            print(epoch, loss.item(), loss_fn(test, label[500:]).item(), ((test > 0.5) == (label[500:] > 0.5)).float().mean().item())
