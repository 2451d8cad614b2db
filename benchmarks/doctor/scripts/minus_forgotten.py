#= loss_sign
"""Cross-entropy from the formula in a book."""
import torch
from torch import nn


def cross_entropy(scores, one_hot):
    log_p = scores - scores.logsumexp(dim=1, keepdim=True)
    return -(one_hot * log_p).sum(dim=1).mean()  #@ return (one_hot * log_p).sum(dim=1).mean()


torch.manual_seed(0)
prototypes = torch.randn(5, 14)
labels = torch.randint(5, (1100,))
data = prototypes[labels] + torch.randn(1100, 14)
one_hot = nn.functional.one_hot(labels, 5).float()
W = torch.nn.Parameter(torch.randn(14, 32) * 0.2)
V = torch.nn.Parameter(torch.randn(32, 5) * 0.2)
optimizer = torch.optim.Adam([W, V], lr=2e-3)
for epoch in range(8):
    for rows in torch.randperm(900).split(30):
        optimizer.zero_grad()
        loss = cross_entropy(torch.relu(data[rows] @ W) @ V, one_hot[rows])
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        print(epoch, loss.item(), ((torch.relu(data[900:] @ W) @ V).argmax(1) == labels[900:]).float().mean().item())
