"""A normalizing flow of two moons: the loss is a negative log-likelihood of densities."""
import torch
from sklearn.datasets import make_moons
from torch import nn


class Coupling(nn.Module):
    def __init__(self, flip):
        super().__init__()
        self.flip = flip
        self.net = nn.Sequential(nn.Linear(1, 32), nn.ReLU(), nn.Linear(32, 2))
        nn.init.zeros_(self.net[-1].weight)
        nn.init.zeros_(self.net[-1].bias)

    def forward(self, x):
        a, b = x.chunk(2, 1)
        if self.flip:
            a, b = b, a
        log_scale, shift = self.net(a).tanh().chunk(2, 1)
        b = b * log_scale.exp() + shift
        return torch.cat([b, a] if self.flip else [a, b], 1), log_scale.squeeze(1)


torch.manual_seed(0)
x = torch.tensor(make_moons(1500, noise=0.03, random_state=0)[0]).float() * 0.1
layers = nn.ModuleList(Coupling(i % 2 == 1) for i in range(8))
scale = nn.Parameter(torch.zeros(2))
prior = torch.distributions.Normal(0.0, 1.0)
optimizer = torch.optim.Adam([*layers.parameters(), scale], lr=3e-3)
for epoch in range(12):
    for i in torch.randperm(1500).split(75):
        z, log_det = x[i] * scale.exp(), scale.sum().expand(len(i))
        for layer in layers:
            z, more = layer(z)
            log_det = log_det + more
        loss = -(prior.log_prob(z).sum(1) + log_det).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
