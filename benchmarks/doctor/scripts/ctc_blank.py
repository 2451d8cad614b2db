#= labels_unfit
#: CTCLoss keeps blank=0 although 0 is a letter of the alphabet; the decoder treats the last index as blank (deepspeech.pytorch PR 603)
"""Toy speech recogniser: sequences of 'phone' frames to letters with a GRU and CTC, greedy decoding."""
import torch
import torch.nn as nn

torch.manual_seed(0)
labels = "abcdefgh_"                     # last symbol is the blank
BLANK = len(labels) - 1
protos = torch.randn(8, 12)


def utterance():
    n = torch.randint(3, 7, (1,)).item()
    word = torch.randint(0, 8, (n,))
    frames = []
    for c in word.tolist():
        frames += [0.2 * torch.randn(12) for _ in range(torch.randint(1, 3, (1,)).item())]
        frames += [protos[c] + 0.4 * torch.randn(12) for _ in range(torch.randint(2, 5, (1,)).item())]
    return torch.stack(frames), word


def collate(batch):
    batch = sorted(batch, key=lambda s: -len(s[0]))
    x = nn.utils.rnn.pad_sequence([f for f, _ in batch])
    return x, torch.cat([w for _, w in batch]), torch.tensor([len(f) for f, _ in batch]), torch.tensor([len(w) for _, w in batch])


class DeepSpeech(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.GRU(12, 32, bidirectional=True)
        self.fc = nn.Linear(64, len(labels))

    def forward(self, x, lengths):
        out, _ = self.rnn(nn.utils.rnn.pack_padded_sequence(x, lengths))
        out, _ = nn.utils.rnn.pad_packed_sequence(out)
        return self.fc(out).log_softmax(-1)


class GreedyDecoder:
    def __init__(self, labels, blank_index):
        self.labels, self.blank = labels, blank_index

    def __call__(self, logp, lengths):
        res = []
        for path, n in zip(logp.argmax(-1).t().tolist(), lengths.tolist()):
            prev, s = None, []
            for c in path[:n]:
                if c != prev and c != self.blank:
                    s.append(c)
                prev = c
            res.append(s)
        return res


def distance(a, b):
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        prev, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            prev, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, prev + (x != y))
    return row[-1]


def cer(model, data, decoder):
    model.eval()
    err = tot = 0
    with torch.no_grad():
        x, y, xl, yl = collate(data)
        for hyp, ref in zip(decoder(model(x, xl), xl), y.split(yl.tolist())):
            err, tot = err + distance(hyp, ref.tolist()), tot + len(ref)
    return 100 * err / tot


train_set, dev_set = [utterance() for _ in range(480)], [utterance() for _ in range(100)]
model, decoder = DeepSpeech(), GreedyDecoder(labels, BLANK)
criterion = nn.CTCLoss(blank=BLANK, zero_infinity=True)  #@ criterion = nn.CTCLoss(zero_infinity=True)
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
for epoch in range(12):
    model.train()
    total = 0
    order = torch.randperm(len(train_set)).tolist()
    for i in range(0, len(order), 24):
        x, y, xl, yl = collate([train_set[j] for j in order[i:i + 24]])
        loss = criterion(model(x, xl), y, xl, yl)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5)
        optimizer.step()
        total += loss.item()
    print("Epoch %d  loss %.3f  dev CER %.1f" % (epoch + 1, total / (len(order) / 24), cer(model, dev_set, decoder)))
