#= mean_within_loss
# https://github.com/DSKSD/DeepNLP-models-Pytorch/issues/15 - the K negative scores are summed first and then squashed by one logsigmoid; right: logsigmoid for each, then sum.
import random
from collections import Counter
import torch
import torch.nn as nn
import torch.nn.functional as F

random.seed(1); torch.manual_seed(1)
TOPICS = {t: [f'{t}{i}' for i in range(8)] for t in 'abcdef'}
COMMON = ['the', 'of', 'and']
corpus = []
for _ in range(700):
    t = random.choice(list(TOPICS))
    corpus.append([random.choice(TOPICS[t]) if random.random() < .7 else random.choice(COMMON) for _ in range(9)])
vocab = sorted({w for s in corpus for w in s})
idx = {w: i for i, w in enumerate(vocab)}
pairs = [(idx[s[i]], idx[s[j]]) for s in corpus for i in range(9) for j in range(max(0, i - 2), min(9, i + 3)) if i != j]
freq = Counter(w for s in corpus for w in s)
uni = torch.tensor([freq[w] ** .75 for w in vocab])


class SkipgramNegSampling(nn.Module):
    def __init__(self, v, d):
        super().__init__()
        self.embedding_v = nn.Embedding(v, d)
        self.embedding_u = nn.Embedding(v, d)
        self.logsigmoid = nn.LogSigmoid()
        r = (2 / (v + d)) ** .5
        self.embedding_v.weight.data.uniform_(-r, r); self.embedding_u.weight.data.uniform_(-r, r)

    def forward(self, center, target, negs):
        c, t = self.embedding_v(center), self.embedding_u(target)
        n = -self.embedding_u(negs)
        pos = (c * t).sum(-1)
        neg = torch.bmm(n, c.unsqueeze(2)).squeeze(2)
        loss = self.logsigmoid(pos) + self.logsigmoid(neg).sum(1)  #@ loss = self.logsigmoid(pos) + self.logsigmoid(neg.sum(1))
        return -loss.mean()


model = SkipgramNegSampling(len(vocab), 16)
opt = torch.optim.Adam(model.parameters(), lr=0.01)
P = torch.tensor(pairs)
for epoch in range(2):
    for b in torch.randperm(len(P)).split(256):
        c, t = P[b].T
        neg = torch.multinomial(uni, len(b) * 8, replacement=True).view(len(b), 8)
        loss = model(c, t, neg)
        opt.zero_grad(); loss.backward(); opt.step()
E_ = F.normalize(model.embedding_v.weight.detach(), dim=1)
sim = E_ @ E_.T
sim.fill_diagonal_(-9)
words = [w for w in vocab if w not in COMMON]
hit = 0
for w in words:
    hit += sum(vocab[j][0] == w[0] and vocab[j] not in COMMON for j in sim[idx[w]].topk(3).indices.tolist()) / 3
u = model.embedding_u.weight.detach()
fit = (model.embedding_v.weight.detach() @ u.T)
w0 = torch.tensor([idx[w] for w in words])
lab = torch.tensor([[a[0] == b[0] for b in words] for a in words])
s = fit[w0][:, w0]
print('nearest words of the same topic: %.3f' % (hit / len(words)), ' in-topic score %.2f, out-of-topic score %.2f' % (s[lab].mean(), s[~lab].mean()))
