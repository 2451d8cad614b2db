#= loss_sign
# https://github.com/kmkurn/pytorch-crf/issues/81 - the CRF returns the log likelihood and the training loop minimises it as if it were a loss (sign); right: loss = -crf(...).
import torch
import torch.nn as nn

torch.manual_seed(42)
TAGS, WORDS, L = 4, 30, 9


class CRF(nn.Module):
    """linear-chain CRF; forward gives the (mean) log likelihood of the tags."""

    def __init__(self, n):
        super().__init__()
        self.start = nn.Parameter(torch.empty(n).uniform_(-.1, .1))
        self.trans = nn.Parameter(torch.empty(n, n).uniform_(-.1, .1))

    def forward(self, em, tags, mask):
        B = torch.arange(len(em))
        score = self.start[tags[:, 0]] + em[B, 0, tags[:, 0]]
        alpha = self.start + em[:, 0]
        for t in range(1, em.size(1)):
            m = mask[:, t]
            score = score + (self.trans[tags[:, t - 1], tags[:, t]] + em[B, t, tags[:, t]]) * m
            nxt = torch.logsumexp(alpha[:, :, None] + self.trans, 1) + em[:, t]
            alpha = torch.where(m[:, None].bool(), nxt, alpha)
        return (score - torch.logsumexp(alpha, 1)).mean()

    @torch.no_grad()
    def decode(self, em):
        v, back = self.start + em[:, 0], []
        for t in range(1, em.size(1)):
            best, idx = (v[:, :, None] + self.trans).max(1)
            v = best + em[:, t]; back.append(idx)
        path = [v.argmax(1)]
        for idx in reversed(back):
            path.insert(0, idx.gather(1, path[0][:, None])[:, 0])
        return torch.stack(path, 1)


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(WORDS, 16)
        self.lstm = nn.LSTM(16, 16, bidirectional=True, batch_first=True)
        self.proj = nn.Linear(32, TAGS)
        self.crf = CRF(TAGS)

    def emissions(self, w):
        return self.proj(self.lstm(self.emb(w))[0])


def corpus(n):
    w = torch.randint(WORDS, (n, L))
    y = w % 3
    prev = torch.cat([torch.zeros(n, 1, dtype=torch.long), w[:, :-1]], 1)
    y[(prev >= 24)] = 3                      # after a trigger word: tag 3
    lens = torch.randint(4, L + 1, (n,))
    return w, y, (torch.arange(L) < lens[:, None]).float()


W, Y, M = corpus(800)
Wt, Yt, Mt = corpus(200)
net = Tagger()
opt = torch.optim.Adam(net.parameters(), lr=0.01)
for epoch in range(6):
    for i in torch.randperm(len(W)).split(50):
        llh = net.crf(net.emissions(W[i]), Y[i], M[i])
        loss = -llh  #@ loss = llh
        opt.zero_grad(); loss.backward(); opt.step()
    print('epoch', epoch, 'loss', round(loss.item(), 3))
pred = net.crf.decode(net.emissions(Wt))
print('tag accuracy', (((pred == Yt) * Mt).sum() / Mt.sum()).item())
