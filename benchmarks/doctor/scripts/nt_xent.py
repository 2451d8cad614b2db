#= positive_is_self
# https://github.com/Lightning-Universe/lightning-bolts/pull/253 (negatives in nt_xent) and SimCLR ports with labels = arange: the diagonal is left in and taken as the positive, so the loss is solved without matching the two views; a right diagnosis says mask the diagonal and point to the other view.
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)
DIM, NOISE = 20, 20
mix = torch.randn(DIM + NOISE, 40) / (DIM + NOISE) ** 0.5


def two_views(n):
    content = torch.randn(n, DIM)
    view = lambda: torch.cat([content + 0.1 * torch.randn(n, DIM), 2.0 * torch.randn(n, NOISE)], 1) @ mix
    return view(), view()


class SimCLR(nn.Module):
    def __init__(self, temperature=0.2):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(40, 128), nn.ReLU(), nn.Linear(128, 32))
        self.temperature = temperature

    def embed(self, x):
        return F.normalize(self.encoder(x), dim=1)

    def nt_xent_loss(self, z1, z2):
        n = len(z1)
        z = torch.cat([z1, z2])
        sim = z @ z.t() / self.temperature
        sim = sim.masked_fill(torch.eye(2 * n, dtype=torch.bool), float("-inf"))  #@
        labels = torch.arange(2 * n).roll(n)  #@ labels = torch.arange(2 * n)
        return F.cross_entropy(sim, labels)


model = SimCLR()
opt = torch.optim.Adam(model.parameters(), lr=1e-3)
for step in range(1, 601):
    a, b = two_views(128)
    loss = model.nt_xent_loss(model.embed(a), model.embed(b))
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 100 == 0:
        with torch.no_grad():
            a, b = two_views(256)
            hit = ((model.embed(a) @ model.embed(b).t()).argmax(1) == torch.arange(256)).float().mean().item()
        print(f"step {step} loss {loss.item():.4f} retrieval of the other view {hit:.3f}")
