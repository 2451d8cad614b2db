"""Domain adaptation with a gradient reversal layer."""
import torch
from sklearn.datasets import make_moons
from torch import nn


class Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, alpha):
        ctx.alpha = alpha
        return x.view_as(x)

    @staticmethod
    def backward(ctx, grad):
        return -ctx.alpha * grad, None


torch.manual_seed(0)
xs, ys = make_moons(1000, noise=0.1, random_state=0)
xs = torch.tensor(xs).float()
ys = torch.tensor(ys)
turn = torch.tensor([[0.9, -0.44], [0.44, 0.9]])
xt = torch.tensor(make_moons(1000, noise=0.1, random_state=1)[0]).float() @ turn
features = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU())
classify, domain = nn.Linear(32, 2), nn.Sequential(nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 1))
parameters = [*features.parameters(), *classify.parameters(), *domain.parameters()]
optimizer = torch.optim.Adam(parameters, lr=2e-3)
bce = nn.BCEWithLogitsLoss()
for epoch in range(10):
    for i, j in zip(torch.randperm(1000).split(50), torch.randperm(1000).split(50)):
        source, target = features(xs[i]), features(xt[j])
        both = Reverse.apply(torch.cat([source, target]), 0.3)
        where = torch.cat([torch.zeros(len(i)), torch.ones(len(j))]).unsqueeze(1)
        loss = nn.functional.cross_entropy(classify(source), ys[i]) + bce(domain(both), where)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
