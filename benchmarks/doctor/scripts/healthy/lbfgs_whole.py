"""Full batch, learning rate 1, several backward passes in one step: that is L-BFGS."""
import torch
from sklearn.datasets import load_breast_cancer
from torch import nn

torch.manual_seed(0)
X, y = load_breast_cancer(return_X_y=True)
X = torch.tensor((X - X[:400].mean(0)) / X[:400].std(0), dtype=torch.float32)
y = torch.tensor(y, dtype=torch.float32)
model = nn.Linear(30, 1)
optimizer = torch.optim.LBFGS(model.parameters(), lr=1, max_iter=10, history_size=10, line_search_fn='strong_wolfe')


def closure():
    optimizer.zero_grad()
    out = model(X[:400]).squeeze(1)
    loss = nn.functional.binary_cross_entropy_with_logits(out, y[:400]) + 0.01 * model.weight.pow(2).sum()
    loss.backward()
    return loss


for step in range(8):
    loss = optimizer.step(closure)
    with torch.no_grad():
        print(step, loss.item(), ((model(X[400:]).squeeze(1) > 0) == (y[400:] > 0.5)).float().mean().item())
