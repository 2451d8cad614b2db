"""BiLSTM-CRF tagger with padded batches: the loss is a partition function minus the gold score; entity spans by Viterbi."""
import torch
import torch.nn as nn

torch.manual_seed(131)
TAGS, VOCAB = ["O", "B", "I"], 40


def sentence():
    n = torch.randint(6, 15, (1,)).item()
    w, t = torch.randint(10, VOCAB, (n,)), torch.zeros(n, dtype=torch.long)
    i = torch.randint(0, n - 3, (1,)).item()
    k = torch.randint(1, 4, (1,)).item()
    w[i] = torch.randint(1, 4, (1,)).item()               # opening word; its number is the length of the span
    k = w[i].item()
    t[i] = 1
    t[i + 1:min(n, i + k)] = 2
    return w, t


def pad(batch):
    w, t = zip(*batch)
    f = lambda s: nn.utils.rnn.pad_sequence(s, batch_first=True)
    return f(w), f(t), f([torch.ones(len(v), dtype=torch.bool) for v in w])


class CRF(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.trans, self.start, self.end = nn.Parameter(0.1 * torch.randn(n, n)), nn.Parameter(torch.zeros(n)), nn.Parameter(torch.zeros(n))

    def forward(self, em, tags, mask):
        B, T, _ = em.shape
        r = torch.arange(B)
        score = self.start[tags[:, 0]] + em[r, 0, tags[:, 0]]
        alpha = self.start + em[:, 0]
        for t in range(1, T):
            step = self.trans[tags[:, t - 1], tags[:, t]] + em[r, t, tags[:, t]]
            score = score + step * mask[:, t]
            nxt = torch.logsumexp(alpha[:, :, None] + self.trans + em[:, t, None], 1)
            alpha = torch.where(mask[:, t, None], nxt, alpha)
        score = score + self.end[tags[r, mask.sum(1) - 1]]
        return (torch.logsumexp(alpha + self.end, 1) - score).mean()

    @torch.no_grad()
    def decode(self, em, mask):
        out = []
        for e, m in zip(em, mask):
            e = e[m]
            s, back = self.start + e[0], []
            for t in range(1, len(e)):
                v = s[:, None] + self.trans + e[t]
                s, b = v.max(0)
                back.append(b)
            path = [(s + self.end).argmax().item()]
            for b in reversed(back):
                path.append(b[path[-1]].item())
            out.append(path[::-1])
        return out


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(VOCAB, 24, padding_idx=0)
        self.lstm, self.fc, self.crf = nn.LSTM(24, 24, batch_first=True, bidirectional=True), nn.Linear(48, 3), CRF(3)

    def emissions(self, w):
        return self.fc(self.lstm(self.emb(w))[0])


train, test = [sentence() for _ in range(640)], [sentence() for _ in range(80)]
model = Tagger()
opt = torch.optim.Adam(model.parameters(), lr=1e-2)
for epoch in range(6):
    for idx in torch.randperm(640).split(32):
        w, t, m = pad([train[i] for i in idx.tolist()])
        loss = model.crf(model.emissions(w), t, m)
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        opt.step()
    w, t, m = pad(test)
    with torch.no_grad():
        paths = model.crf.decode(model.emissions(w), m)
    exact = sum(p == g[:len(p)].tolist() for p, g in zip(paths, t)) / len(test)
    print(f"epoch {epoch} nll {loss.item():.4f} sentences tagged right {exact:.3f}")
