#= log_of_probabilities
#: https://github.com/bentrevett/pytorch-seq2seq/issues/177 - log_softmax without dim on a (T,N,C) tensor normalises over axis 0 (time) before nn.CTCLoss; the log-probabilities of a frame do not sum to one and the net can cheat the loss; right: dim=2.
import random
import warnings
import torch
from torch import nn

warnings.filterwarnings('ignore')
torch.manual_seed(5); random.seed(5)
PHONES, F_DIM, BLANK = 6, 10, 6
proto = torch.randn(PHONES, F_DIM)


def utterance():
    n = random.randint(2, 5)
    seq = [random.randrange(PHONES) for _ in range(n)]
    frames = []
    for s in seq:
        frames += [torch.zeros(F_DIM)] * random.randint(1, 2) + [proto[s]] * random.randint(2, 4)
    return torch.stack(frames) + .5 * torch.randn(len(frames), F_DIM), torch.tensor(seq)


def collate(batch):
    xs, ys = zip(*batch)
    return nn.utils.rnn.pad_sequence(xs), torch.tensor([len(a) for a in xs]), torch.cat(ys), torch.tensor([len(b) for b in ys])


class Acoustic(nn.Module):
    def __init__(self, h=48):
        super().__init__()
        self.rnn = nn.GRU(F_DIM, h, bidirectional=True)
        self.fc = nn.Linear(2 * h, PHONES + 1)

    def forward(self, x, n):
        packed = nn.utils.rnn.pack_padded_sequence(x, n, enforce_sorted=False)
        out, _ = nn.utils.rnn.pad_packed_sequence(self.rnn(packed)[0])
        return self.fc(out)


def greedy(logits, n):
    res = []
    for k, m in enumerate(n):
        best, prev, out = logits[:m, k].argmax(-1).tolist(), None, []
        for c in best:
            if c != prev and c != BLANK: out.append(c)
            prev = c
        res.append(out)
    return res


def distance(a, b):
    row = list(range(len(b) + 1))
    for i, p in enumerate(a, 1):
        new = [i]
        for j, q in enumerate(b, 1): new.append(min(row[j] + 1, new[-1] + 1, row[j - 1] + (p != q)))
        row = new
    return row[-1]


net = Acoustic()
opt = torch.optim.Adam(net.parameters(), lr=5e-3)
criterion = nn.CTCLoss(blank=BLANK, zero_infinity=True)
data = [utterance() for _ in range(640)]
for epoch in range(7):
    random.shuffle(data); tot = 0
    for i in range(0, 640, 32):
        x, n, y, m = collate(data[i:i + 32])
        output = net(x, n)
        logp = nn.functional.log_softmax(output, dim=2)  #@ logp = nn.functional.log_softmax(output)
        loss = criterion(logp, y, n, m)
        opt.zero_grad(); loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 3.); opt.step()
        tot += loss.item()
    print('epoch', epoch, 'loss', round(tot / 20, 4))
test = [utterance() for _ in range(200)]
x, n, _, _ = collate(test)
with torch.no_grad(): hyp = greedy(net(x, n), n.tolist())
print('phone error rate', round(sum(distance(h, t[1].tolist()) for h, t in zip(hyp, test)) / sum(len(t[1]) for t in test), 4))
