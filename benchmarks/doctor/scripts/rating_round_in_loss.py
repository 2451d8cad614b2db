#= term_without_gradient
#: the output is rounded inside the loss, torch.round has zero gradient, so nothing is learned
"""Star rating prediction (1..5) from review statistics, own loss class."""
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(61)


class RatingLoss(nn.Module):
    """Squared error between predicted and given stars."""

    def __init__(self, penalty=0.1):
        super(RatingLoss, self).__init__()
        self.penalty = penalty

    def forward(self, pred, stars):
        out_of_range = torch.relu(pred.detach() - 5).mean() + torch.relu(1 - pred.detach()).mean()
        pred = pred.clamp(-3, 9)  #@ pred = torch.round(pred.clamp(-3, 9))
        return ((pred - stars) ** 2).mean() + self.penalty * out_of_range


def make_reviews(n):
    length = torch.rand(n)
    pos_words, neg_words = torch.poisson(torch.full((n,), 3.)), torch.poisson(torch.full((n,), 2.))
    exclam = torch.poisson(torch.full((n,), 1.))
    verified = torch.randint(0, 2, (n,)).float()
    latent = 3 + 0.6 * (pos_words - 3) - 0.8 * (neg_words - 2) + 0.2 * exclam * (pos_words > neg_words).float() - 0.4 * length
    stars = (latent + 0.4 * torch.randn(n)).round().clamp(1, 5)
    feats = torch.stack([length, (pos_words - 3) / 1.7, (neg_words - 2) / 1.4, exclam - 1, verified], 1)
    return feats, stars.unsqueeze(1)


x, s = make_reviews(1600)
xt, st = make_reviews(500)
loader = DataLoader(TensorDataset(x, s), batch_size=32, shuffle=True)

net = nn.Sequential(nn.Linear(5, 40), nn.ELU(), nn.Linear(40, 40), nn.ELU(), nn.Linear(40, 1))
with torch.no_grad():
    net[-1].bias.fill_(2.5)
criterion = RatingLoss()
optimizer = torch.optim.NAdam(net.parameters(), lr=2e-3)

for epoch in range(10):
    agg = []
    for feats, stars in loader:
        optimizer.zero_grad()
        loss = criterion(net(feats), stars)
        loss.backward()
        optimizer.step()
        agg.append(loss.item())
    with torch.no_grad():
        pred = net(xt).round().clamp(1, 5)
    exact = (pred == st).float().mean().item()
    mae = (pred - st).abs().mean().item()
    print("epoch %2d: loss %.4f  exact %.3f  MAE %.3f" % (epoch + 1, sum(agg) / len(agg), exact, mae))
