"""word2vec with negative sampling; the loss is a mean of log-sigmoids."""
import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
V, TOPICS = 120, 6
topic = torch.arange(V) % TOPICS
walk = [0]
for _ in range(6000):
    same = torch.rand(()).item() < 0.85
    step = int(torch.randint(0, V // TOPICS, ()))
    t = topic[walk[-1]].item() if same else int(torch.randint(0, TOPICS, ()))
    walk.append(step * TOPICS + t)
corpus = torch.tensor(walk)
centre, context = nn.Embedding(V, 24), nn.Embedding(V, 24)
nn.init.uniform_(centre.weight, -0.5 / 24, 0.5 / 24)
nn.init.zeros_(context.weight)
optimizer = torch.optim.Adam([*centre.parameters(), *context.parameters()], lr=5e-3)
for epoch in range(5):
    for at in torch.randperm(len(corpus) - 4).add(2).split(64):
        c = corpus[at]
        o = corpus[at + (torch.randint(0, 2, at.shape) * 2 - 1)]
        negative = corpus[torch.randint(0, len(corpus), (len(at), 5))]
        v = centre(c)
        good = F.logsigmoid((v * context(o)).sum(1))
        bad = F.logsigmoid(-(context(negative) @ v.unsqueeze(2)).squeeze(2)).sum(1)
        loss = -(good + bad).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
