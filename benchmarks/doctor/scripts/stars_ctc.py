#= log_of_probabilities
# https://github.com/gwx314/STARS/issues/9 - ctc_loss gets raw logits rather than log-probabilities, the loss goes negative without bound; right: log_softmax first.
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)
PHONES, FRAMES, MEL = 6, 36, 8            # index 0 is the blank
proto = torch.randn(PHONES, MEL) * 1.5


class Utterances(torch.utils.data.Dataset):
    def __init__(self, n, seed):
        g = torch.Generator().manual_seed(seed)
        self.rows = []
        for _ in range(n):
            k = int(torch.randint(3, 6, (1,), generator=g))
            ph = [int(torch.randint(1, PHONES, (1,), generator=g))]
            while len(ph) < k:
                c = int(torch.randint(1, PHONES, (1,), generator=g))
                if c != ph[-1]:
                    ph.append(c)
            dur = torch.randint(3, 7, (k,), generator=g).tolist()
            fr = torch.cat([proto[p].repeat(d, 1) for p, d in zip(ph, dur)])
            fr = fr + 0.4 * torch.randn(fr.shape, generator=g)
            self.rows.append((fr, torch.tensor(ph)))

    def __len__(self): return len(self.rows)
    def __getitem__(self, i): return self.rows[i]


def collate(b):
    xs, ys = zip(*b)
    return (nn.utils.rnn.pad_sequence(xs, batch_first=True), torch.tensor([len(x) for x in xs]),
            torch.cat(ys), torch.tensor([len(y) for y in ys]))


class Aligner(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Sequential(nn.Conv1d(MEL, 48, 5, padding=2), nn.ReLU(), nn.Conv1d(48, 48, 3, padding=1), nn.ReLU())
        self.phone_head = nn.Linear(48, PHONES)

    def forward(self, mel):
        return self.phone_head(self.conv(mel.transpose(1, 2)).transpose(1, 2))


def greedy(logits, n):
    path = logits[:n].argmax(-1).tolist()
    return [p for i, p in enumerate(path) if p and (i == 0 or p != path[i - 1])]


model = Aligner()
opt = torch.optim.Adam(model.parameters(), lr=4e-3)
loader = torch.utils.data.DataLoader(Utterances(480, 1), 32, shuffle=True, collate_fn=collate)
for epoch in range(4):
    for mel, il, ph, tl in loader:
        frame_logits = model(mel)
        logp = F.log_softmax(frame_logits, -1)  #@ logp = frame_logits
        ctc = F.ctc_loss(logp.transpose(0, 1), ph, il, tl, blank=0)
        opt.zero_grad(); ctc.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        opt.step()
    print(f'epoch {epoch} ph_ctc_loss {ctc.item():.3f}')
test = Utterances(100, 2)
with torch.no_grad():
    exact = sum(greedy(model(m[None])[0], len(m)) == p.tolist() for m, p in test) / len(test)
print(f'exactly recognised utterances: {exact:.2f}')
