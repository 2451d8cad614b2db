"""BYOL-like self-supervision on digit images: momentum target without gradient, predictor, symmetric loss; k-NN against raw pixels with nuisance."""
import copy

import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.manual_seed(18)
d = load_digits()
base = torch.tensor(d.data, dtype=torch.float32) / 16
y = torch.tensor(d.target)
mix = torch.randn(64, 64) / 8
nuisance = torch.randn(6, 64)
p = torch.randperm(len(base))
base, y = (base - base.mean(0))[p] @ mix, y[p]


def view(x):                                     # strong style directions, new for every view
    return x + torch.randn(len(x), 6) @ nuisance * 0.5 + 0.05 * torch.randn_like(x)


def mlp(i, h, o):
    return nn.Sequential(nn.Linear(i, h), nn.BatchNorm1d(h), nn.ReLU(inplace=True), nn.Linear(h, o))


class BYOL(nn.Module):
    def __init__(self, tau=0.98):
        super().__init__()
        self.online_encoder = nn.Sequential(mlp(64, 128, 48), mlp(48, 64, 24))
        self.target_encoder = copy.deepcopy(self.online_encoder)
        for q in self.target_encoder.parameters():
            q.requires_grad = False
        self.predictor, self.tau = mlp(24, 64, 24), tau

    @torch.no_grad()
    def update_moving_average(self):
        for t, o in zip(self.target_encoder.parameters(), self.online_encoder.parameters()):
            t.mul_(self.tau).add_(o, alpha=1 - self.tau)

    def forward(self, a, b):
        def one(u, v):
            q = self.predictor(self.online_encoder(u))
            with torch.no_grad():
                z = self.target_encoder(v)
            return 2 - 2 * F.cosine_similarity(q, z, dim=1)
        return (one(a, b) + one(b, a)).mean()


@torch.no_grad()
def knn(f):
    z = F.normalize(f(view(base)), dim=1)
    sim = z[1300:] @ z[:1300].T
    votes = F.one_hot(y[:1300], 10).float()[sim.topk(7).indices].sum(1)
    return (votes.argmax(1) == y[1300:]).float().mean().item()


learner = BYOL()
opt = torch.optim.Adam([q for q in learner.parameters() if q.requires_grad], lr=2e-3)
print("k-NN on raw views %.3f" % knn(lambda x: x))
for epoch in range(40):
    for b in torch.randperm(1300).split(130):
        loss = learner(view(base[b]), view(base[b]))
        opt.zero_grad()
        loss.backward()
        opt.step()
        learner.update_moving_average()
    if epoch % 10 == 9:
        learner.eval()
        print(f"epoch {epoch + 1} loss {loss.item():.4f} k-NN {knn(learner.online_encoder[0]):.3f} feature std {learner.online_encoder[0](base).std(0).mean():.3f}")
        learner.train()
