#= labels_unfit
#: https://github.com/espnet/espnet/issues/700 label 0 is used as an ordinary token although CTC reserves index 0 for blank; a right diagnosis says shift the labels by one (or set blank to a spare class).
import torch, random
from torch import nn
random.seed(8); torch.manual_seed(8)
PHONES = list("aeiou")
FORMANTS = {"a": (3, 7), "e": (2, 10), "i": (1, 12), "o": (3, 5), "u": (1, 4)}
SHIFT = 1  #@ SHIFT = 0
classes = len(PHONES) + 1

def synth(word):
    frames = []
    for ch in word:
        frames.extend([torch.zeros(14)] * random.randint(1, 3))
        lo, hi = FORMANTS[ch]
        for _ in range(random.randint(3, 6)):
            f = torch.zeros(14); f[lo] = 1; f[hi] = .8; frames.append(f)
    frames.extend([torch.zeros(14)] * 2)
    x = torch.stack(frames)
    return (x + 0.25 * torch.randn_like(x) + 1e-3).abs().log1p()

def corpus(n):
    ws = ["".join(random.choice(PHONES) for _ in range(random.randint(2, 5))) for _ in range(n)]
    return [(synth(w), torch.tensor([PHONES.index(c) + SHIFT for c in w])) for w in ws]

def pad(batch):
    feats = nn.utils.rnn.pad_sequence([f for f, _ in batch])
    return feats, torch.tensor([len(f) for f, _ in batch]), nn.utils.rnn.pad_sequence([t for _, t in batch], batch_first=True), torch.tensor([len(t) for _, t in batch])

class E2E(nn.Module):
    def __init__(self):
        super().__init__()
        self.enc = nn.LSTM(14, 32, bidirectional=True)
        self.ctc_lo = nn.Linear(64, classes)
    def forward(self, x, lens):
        p = nn.utils.rnn.pack_padded_sequence(x, lens, enforce_sorted=False)
        h, _ = nn.utils.rnn.pad_packed_sequence(self.enc(p)[0])
        return self.ctc_lo(h).log_softmax(2)

train, dev = corpus(500), corpus(120)
model = E2E(); opt = torch.optim.Adadelta(model.parameters(), lr=1.0, rho=0.95, eps=1e-6)
loss_fn = nn.CTCLoss(blank=0, reduction="sum", zero_infinity=True)
for epoch in range(10):
    random.shuffle(train); total = 0
    for k in range(0, 500, 20):
        x, xl, y, yl = pad(train[k:k + 20])
        loss = loss_fn(model(x, xl), y, xl, yl) / len(xl)
        opt.zero_grad(); loss.backward(); nn.utils.clip_grad_norm_(model.parameters(), 5.0); opt.step(); total += loss.item()
    print(f"epoch {epoch} ctc loss {total / 25:.3f}")
model.eval(); correct = 0
with torch.no_grad():
    x, xl, y, yl = pad(dev); best = model(x, xl).argmax(2)
    for k in range(len(dev)):
        seq, prev = [], -1
        for t in best[: xl[k], k].tolist():
            if t != prev and t != 0: seq.append(t)
            prev = t
        correct += seq == y[k, : yl[k]].tolist()
print(f"words recognised {correct / len(dev):.3f}")
