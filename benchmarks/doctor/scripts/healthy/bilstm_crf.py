import torch, torch.nn as nn, random
random.seed(3); torch.manual_seed(3)
# tags: O, B, I. "entities" start with a title word and run for one to three capital-like words
TAGS = {"O": 0, "B": 1, "I": 2}; K = 3
VOC = {w: i + 1 for i, w in enumerate(["mr", "dr", "city"] + [f"cap{i}" for i in range(20)] + [f"low{i}" for i in range(40)])}
def sentence():
    ws, ts = [], []
    while len(ws) < 14:
        if random.random() < 0.25:
            n = random.randint(1, 3); ws.append(random.choice(["mr", "dr", "city"])); ts.append(1)
            for _ in range(n): ws.append(f"cap{random.randrange(20)}"); ts.append(2)
        else:
            ws.append(f"low{random.randrange(40)}" if random.random() < .7 else f"cap{random.randrange(20)}"); ts.append(0)
            if ws[-1].startswith("cap") and len(ws) > 1 and ts[-2] != 0: ws.pop(); ts.pop()
    n = random.randint(8, len(ws))
    return torch.tensor([VOC[w] for w in ws[:n]]), torch.tensor(ts[:n])

class CRF(nn.Module):
    def __init__(self, k):
        super().__init__()
        self.start, self.end, self.trans = (nn.Parameter(torch.empty(*s).uniform_(-.1, .1)) for s in ((k,), (k,), (k, k)))
    def forward(self, em, tags, mask):
        return self._norm(em, mask) - self._score(em, tags, mask)
    def _score(self, em, tags, mask):
        B, T, _ = em.shape; ar = torch.arange(B)
        s = self.start[tags[:, 0]] + em[ar, 0, tags[:, 0]]
        for t in range(1, T):
            s = s + (self.trans[tags[:, t - 1], tags[:, t]] + em[ar, t, tags[:, t]]) * mask[:, t]
        last = mask.sum(1).long() - 1
        return s + self.end[tags[ar, last]]
    def _norm(self, em, mask):
        a = self.start + em[:, 0]
        for t in range(1, em.size(1)):
            n = torch.logsumexp(a.unsqueeze(2) + self.trans + em[:, t].unsqueeze(1), 1)
            a = torch.where(mask[:, t, None].bool(), n, a)
        return torch.logsumexp(a + self.end, 1)
    @torch.no_grad()
    def decode(self, em):                       # one sentence, T x K
        v, back = self.start + em[0], []
        for t in range(1, em.size(0)):
            v, b = (v.unsqueeze(1) + self.trans).max(0); v = v + em[t]; back.append(b)
        path = [int((v + self.end).argmax())]
        for b in reversed(back): path.append(int(b[path[-1]]))
        return path[::-1]

class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(len(VOC) + 1, 24, padding_idx=0)
        self.lstm = nn.LSTM(24, 24, bidirectional=True, batch_first=True)
        self.fc, self.crf = nn.Linear(48, K), CRF(K)
    def emissions(self, x): return self.fc(self.lstm(self.emb(x))[0])

train, test = [sentence() for _ in range(500)], [sentence() for _ in range(150)]
net = Tagger(); opt = torch.optim.SGD(net.parameters(), lr=0.5, momentum=0.9, weight_decay=1e-4)
for ep in range(6):
    random.shuffle(train); tot = 0.
    for i in range(0, len(train), 25):
        b = train[i:i + 25]
        x = nn.utils.rnn.pad_sequence([w for w, _ in b], True); y = nn.utils.rnn.pad_sequence([t for _, t in b], True)
        m = (x > 0).float()
        nll = net.crf(net.emissions(x), y, m).sum() / m.sum()
        opt.zero_grad(); nll.backward(); nn.utils.clip_grad_norm_(net.parameters(), 5.); opt.step(); tot += nll.item()
    print("epoch", ep, "nll/token", round(tot / 20, 4))
net.eval()
def spans(t):
    out, s = set(), None
    for i, k in enumerate(list(t) + [0]):
        if s is not None and k != 2: out.add((s, i)); s = None
        if k == 1: s = i
    return out
tp = fp = fn = 0
for w, t in test:
    with torch.no_grad(): p = net.crf.decode(net.emissions(w[None])[0])
    P, G = spans(p), spans(t.tolist()); tp += len(P & G); fp += len(P - G); fn += len(G - P)
print(f"entity F1 {2 * tp / (2 * tp + fp + fn):.3f}")
