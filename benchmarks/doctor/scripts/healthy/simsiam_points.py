"""Two views of a point, a stopped gradient and a negative loss."""
import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
centers = 3 * torch.randn(4, 16)
which = torch.randint(4, (1000,))
points = centers[which] + torch.randn(1000, 16)
encoder = nn.Sequential(nn.Linear(16, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 16), nn.BatchNorm1d(16, affine=False))
predictor = nn.Sequential(nn.Linear(16, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 16))
optimizer = torch.optim.SGD([*encoder.parameters(), *predictor.parameters()], lr=0.05, momentum=0.9, weight_decay=1e-4)


def view(x):
    return x + 0.5 * torch.randn_like(x)


for epoch in range(15):
    for rows in torch.randperm(1000).split(100):
        z1, z2 = encoder(view(points[rows])), encoder(view(points[rows]))
        p1, p2 = predictor(z1), predictor(z2)
        loss = -0.5 * (F.cosine_similarity(p1, z2.detach()).mean() + F.cosine_similarity(p2, z1.detach()).mean())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
