#= loss_sign
"""Find the question that belongs to an answer: two towers, cosine similarity."""
import torch
import torch.nn.functional as F
from torch import nn


class Tower(nn.Module):
    def __init__(self, n_in):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(n_in, 32), nn.ReLU(), nn.Linear(32, 16))

    def forward(self, x):
        return self.layers(x)


torch.manual_seed(0)
topic = torch.randn(1000, 6)
questions = topic @ torch.randn(6, 20) + 0.2 * torch.randn(1000, 20)
answers = topic @ torch.randn(6, 30) + 0.2 * torch.randn(1000, 30)
to_q, to_a = Tower(20), Tower(30)
optimizer = torch.optim.Adam(list(to_q.parameters()) + list(to_a.parameters()), lr=1e-3)


def similarity_loss(q, a):
    together = F.cosine_similarity(q, a, dim=-1)
    apart = F.cosine_similarity(q, a.roll(1, 0), dim=-1)
    return (1 - together).mean() + F.relu(apart - 0.2).mean()  #@ return together.mean() + F.relu(apart - 0.2).mean()


def recall(q, a):
    scores = F.normalize(q, dim=1) @ F.normalize(a, dim=1).T
    return (scores.argmax(1) == torch.arange(len(q))).float().mean().item()


for epoch in range(15):
    for rows in torch.randperm(800).split(40):
        loss = similarity_loss(to_q(questions[rows]), to_a(answers[rows]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 5 == 4:
        with torch.no_grad():
            print(epoch, loss.item(), "recall@1 of 200:", recall(to_q(questions[800:]), to_a(answers[800:])))
