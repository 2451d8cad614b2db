"""Hidden layer written by hand with raw tensors, manual SGD updates and no nn.Module."""
import torch
from sklearn.datasets import load_digits

torch.manual_seed(21)
X, y = load_digits(return_X_y=True)
X = torch.tensor((X - 8) / 8, dtype=torch.float32)
y = torch.tensor(y)
perm = torch.randperm(len(X))
train_ids, test_ids = perm[:1400], perm[1400:]
W1 = (torch.randn(64, 50) / 64 ** 0.5).requires_grad_()
b1 = torch.zeros(50, requires_grad=True)
W2 = (torch.randn(50, 10) / 50 ** 0.5).requires_grad_()
b2 = torch.zeros(10, requires_grad=True)
params = [W1, b1, W2, b2]


def log_softmax(z):
    return z - z.exp().sum(-1, keepdim=True).log()


def model(xb):
    return log_softmax(torch.tanh(xb @ W1 + b1) @ W2 + b2)


def nll(logp, target):
    return -logp[range(target.shape[0]), target].mean()


def accuracy(ids):
    with torch.no_grad():
        return (model(X[ids]).argmax(1) == y[ids]).float().mean().item()


lr, bs = 0.2, 32
for epoch in range(12):
    order = train_ids[torch.randperm(len(train_ids))]
    for i in range((len(order) - 1) // bs + 1):
        ids = order[i * bs:(i + 1) * bs]
        loss = nll(model(X[ids]), y[ids])
        loss.backward()
        with torch.no_grad():
            for p in params:
                p -= lr * p.grad
                p.grad.zero_()
    print(f"epoch {epoch} loss {loss.item():.4f} train {accuracy(train_ids):.3f} test {accuracy(test_ids):.3f}")
