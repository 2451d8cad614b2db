#= target_shift
"""A diffusion model of points on two moons."""
import torch
from sklearn.datasets import make_moons
from torch import nn

torch.manual_seed(0)
points = torch.tensor(make_moons(2000, noise=0.05, random_state=0)[0], dtype=torch.float32)
points = (points - points.mean(0)) / points.std(0)
STEPS = 50
beta = torch.linspace(1e-3, 0.15, STEPS)
alpha_bar = torch.cumprod(1 - beta, 0)


class Denoiser(nn.Module):
    def __init__(self):
        super().__init__()
        self.time = nn.Embedding(STEPS, 32)
        self.inputs = nn.Linear(2, 64)
        self.net = nn.Sequential(nn.Linear(96, 96), nn.SiLU(), nn.Linear(96, 96), nn.SiLU(), nn.Linear(96, 2))

    def forward(self, x, t):
        return self.net(torch.cat([self.inputs(x), self.time(t)], dim=1))


model = Denoiser()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(12):
    for idx in torch.randperm(len(points)).split(100):
        x0 = points[idx]
        t = torch.randint(0, STEPS, (len(x0),))
        noise = torch.randn_like(x0)
        a = alpha_bar[t].unsqueeze(1)
        xt = a.sqrt() * x0 + (1 - a).sqrt() * noise
        predicted = model(xt, t)
        loss = nn.functional.mse_loss(predicted, noise)  #@ loss = nn.functional.mse_loss(predicted, xt)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
