"""CTC speech toy: convolution with stride 2, downsampled input lengths, blank at 0, letters from 1; character error rate on held-out words."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset

torch.manual_seed(27)
LETTERS = "aeiounst"
proto = torch.randn(len(LETTERS) + 1, 10)


class Words(Dataset):
    def __init__(self, n):
        self.items = []
        for _ in range(n):
            w = torch.randint(1, len(LETTERS) + 1, (torch.randint(2, 6, (1,)).item(),))
            fr = torch.cat([proto[c].expand(torch.randint(5, 9, (1,)).item(), -1) for c in w.tolist()])
            self.items.append((fr + 0.5 * torch.randn_like(fr), w))

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        return self.items[i]


def collate(batch):
    xs, ws = zip(*batch)
    return (nn.utils.rnn.pad_sequence(xs, batch_first=True), torch.tensor([len(x) for x in xs]),
            nn.utils.rnn.pad_sequence(ws, batch_first=True), torch.tensor([len(w) for w in ws]))


class Acoustic(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(10, 32, 3, stride=2, padding=1)
        self.lstm = nn.LSTM(32, 32, batch_first=True, bidirectional=True)
        self.head = nn.Linear(64, len(LETTERS) + 1)

    def forward(self, x, lens):
        h = F.relu(self.conv(x.transpose(1, 2))).transpose(1, 2)
        out_lens = (lens + 1) // 2
        p = nn.utils.rnn.pack_padded_sequence(h, out_lens, batch_first=True, enforce_sorted=False)
        h, _ = nn.utils.rnn.pad_packed_sequence(self.lstm(p)[0], batch_first=True)
        return self.head(h).log_softmax(-1), out_lens


def greedy(logp, lens):
    for row, n in zip(logp.argmax(-1), lens):
        r = torch.unique_consecutive(row[:n])
        yield r[r != 0].tolist()


def edit(a, b):
    m = torch.zeros(len(a) + 1, len(b) + 1)
    m[:, 0], m[0] = torch.arange(len(a) + 1), torch.arange(len(b) + 1)
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            m[i, j] = min(m[i - 1, j] + 1, m[i, j - 1] + 1, m[i - 1, j - 1] + (a[i - 1] != b[j - 1]))
    return m[-1, -1].item()


train_dl, test_dl = DataLoader(Words(640), 32, shuffle=True, collate_fn=collate), DataLoader(Words(60), 60, collate_fn=collate)
model, ctc = Acoustic(), nn.CTCLoss(blank=0, zero_infinity=True)
opt = torch.optim.Adam(model.parameters(), lr=5e-3)
for epoch in range(8):
    model.train()
    for x, xl, w, wl in train_dl:
        logp, ol = model(x, xl)
        loss = ctc(logp.transpose(0, 1), w, ol, wl)
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 2.0)
        opt.step()
    model.eval()
    with torch.no_grad():
        x, xl, w, wl = next(iter(test_dl))
        logp, ol = model(x, xl)
        cer = sum(edit(h, r[:n].tolist()) for h, r, n in zip(greedy(logp, ol), w, wl)) / wl.sum().item()
    print(f"epoch {epoch} ctc loss {loss.item():.3f} CER {cer:.3f}")
