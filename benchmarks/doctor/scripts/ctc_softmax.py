#= log_of_probabilities
"""Speech-like recognition: frames in, a short string of phones out, trained with CTC."""
import random

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

PHONES, MELS = 6, 12
torch.manual_seed(0)
random.seed(0)
prototypes = torch.randn(PHONES + 1, MELS)


def utterance():
    phones = [random.randint(1, PHONES) for _ in range(random.randint(2, 5))]
    frames = []
    for p in phones:
        frames += [prototypes[p]] * random.randint(3, 5) + [prototypes[0]] * random.randint(1, 2)
    return torch.stack(frames) + 0.3 * torch.randn(len(frames), MELS), torch.tensor(phones)


def batch(n=16):
    wavs, texts = zip(*sorted((utterance() for _ in range(n)), key=lambda p: -len(p[0])))
    return pad_sequence(wavs, batch_first=True), torch.tensor([len(w) for w in wavs]), torch.cat(texts), torch.tensor([len(t) for t in texts])


class DeepSpeechLike(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.GRU(MELS, 40, batch_first=True, bidirectional=True)
        self.fc = nn.Linear(80, PHONES + 1)

    def forward(self, x, lengths):
        packed, _ = self.rnn(pack_padded_sequence(x, lengths, batch_first=True))
        out, _ = pad_packed_sequence(packed, batch_first=True)
        return self.fc(out).transpose(0, 1)


def greedy(logits, lengths):
    for path, n in zip(logits.argmax(-1).t(), lengths):
        path = path[:n].unique_consecutive()
        yield path[path != 0].tolist()


def phone_errors(model):
    model.eval()
    x, n, y, m = batch(64)
    with torch.no_grad():
        wrong = sum(a != b.tolist() for a, b in zip(greedy(model(x, n), n), y.split(m.tolist())))
    model.train()
    return wrong / 64


model = DeepSpeechLike()
ctc = nn.CTCLoss(blank=0, zero_infinity=True)
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
for step in range(250):
    x, x_len, y, y_len = batch()
    out = model(x, x_len)
    loss = ctc(out.log_softmax(-1), y, x_len, y_len)  #@ loss = ctc(out.softmax(-1), y, x_len, y_len)
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
    optimizer.step()
    if step % 50 == 49:
        print(f"step {step + 1} ctc {loss.item():.3f} utterances wrong {phone_errors(model):.2f}")
