"""Encoder-decoder reversing digit strings: scheduled teacher forcing in training, greedy decoding in test."""
import random
import torch
import torch.nn as nn

random.seed(20)
torch.manual_seed(20)
SOS, EOS, PAD = 10, 11, 12
V, MAXL = 13, 5


def batch(n):
    src = torch.full((n, MAXL), PAD)
    tgt = torch.full((n, MAXL + 1), PAD)
    for i in range(n):
        k = random.randint(2, MAXL)
        s = [random.randrange(10) for _ in range(k)]
        src[i, MAXL - k:] = torch.tensor(s)          # left padded
        tgt[i, :k + 1] = torch.tensor(s[::-1] + [EOS])
    return src, tgt


class Seq2Seq(nn.Module):
    def __init__(self, emb=16, hid=64):
        super().__init__()
        self.emb = nn.Embedding(V, emb, padding_idx=PAD)
        self.enc = nn.GRU(emb, hid, batch_first=True)
        self.dec = nn.GRUCell(emb, hid)
        self.out = nn.Linear(hid, V)

    def forward(self, src, tgt=None, tf_ratio=0.0):
        _, h = self.enc(self.emb(src))
        h = h[0]
        tok = torch.full((len(src),), SOS)
        logits = []
        for t in range(MAXL + 1):
            h = self.dec(self.emb(tok), h)
            step = self.out(h)
            logits.append(step)
            if tgt is not None and random.random() < tf_ratio:
                tok = tgt[:, t]
            else:
                tok = step.argmax(1)
        return torch.stack(logits, 1)


model = Seq2Seq()
opt = torch.optim.Adam(model.parameters(), lr=4e-3)
crit = nn.CrossEntropyLoss(ignore_index=PAD)
test_src, test_tgt = batch(400)
STEPS = 500
for step in range(1, STEPS + 1):
    src, tgt = batch(64)
    model.train()
    ratio = max(0.5, 1.0 - step / STEPS)
    logits = model(src, tgt, ratio)
    loss = crit(logits.reshape(-1, V), tgt.reshape(-1))
    opt.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    opt.step()
    if step % 100 == 0:
        model.eval()
        with torch.no_grad():
            hyp = model(test_src).argmax(-1)
        mask = test_tgt != PAD
        exact = ((hyp == test_tgt) | ~mask).all(1).float().mean().item()
        print("step %d tf %.2f loss %.4f exact match %.3f token acc %.3f" % (step, ratio, loss.item(), exact, (hyp == test_tgt)[mask].float().mean().item()))
