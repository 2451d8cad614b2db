import random
import torch
import torch.nn as nn

random.seed(0)
torch.manual_seed(0)
PAD, SOS, EOS, V = 0, 1, 2, 13
MAX = 8


def batch(n):
    lens = torch.randint(3, MAX - 1, (n,))
    src = torch.full((n, MAX), PAD)
    tgt = torch.full((n, MAX), PAD)
    for i, l in enumerate(lens.tolist()):
        w = torch.randint(3, V, (l,))
        src[i, :l] = w
        tgt[i, :l] = w.flip(0)
        tgt[i, l] = EOS
    return src, lens, tgt


class Seq2Seq(nn.Module):
    def __init__(self, e=32, h=96):
        super().__init__()
        self.emb = nn.Embedding(V, e, padding_idx=PAD)
        self.enc = nn.GRU(e, h, batch_first=True)
        self.dec = nn.GRUCell(e + h, h)
        self.out = nn.Linear(2 * h, V)

    def forward(self, src, lens, tgt=None, forcing=0.0):
        packed = nn.utils.rnn.pack_padded_sequence(self.emb(src), lens, batch_first=True, enforce_sorted=False)
        enc, h = self.enc(packed)
        enc, _ = nn.utils.rnn.pad_packed_sequence(enc, batch_first=True, total_length=MAX)
        h = h[0]
        hide = torch.arange(MAX)[None] >= lens[:, None]
        tok, outs = torch.full((len(src),), SOS), []
        for t in range(MAX):
            a = (enc * h[:, None]).sum(-1).masked_fill(hide, float("-inf")).softmax(1)
            ctx = (a[..., None] * enc).sum(1)
            h = self.dec(torch.cat([self.emb(tok), ctx], 1), h)
            z = self.out(torch.cat([h, ctx], 1))
            outs.append(z)
            use_truth = tgt is not None and random.random() < forcing
            tok = tgt[:, t] if use_truth else z.argmax(1)
        return torch.stack(outs, 1)


model = Seq2Seq()
opt = torch.optim.Adam(model.parameters(), lr=4e-3)
sched = torch.optim.lr_scheduler.LinearLR(opt, 1.0, 0.05, total_iters=700)
ce = nn.CrossEntropyLoss(ignore_index=PAD)
for step in range(1, 701):
    src, lens, tgt = batch(64)
    forcing = max(0.3, 1 - step / 700)
    loss = ce(model(src, lens, tgt, forcing).reshape(-1, V), tgt.reshape(-1))
    opt.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    opt.step()
    sched.step()
    if step % 140 == 0:
        model.eval()
        with torch.no_grad():
            src, lens, tgt = batch(200)
            out = model(src, lens).argmax(-1)
            right = ((out == tgt) | (tgt == PAD)).all(1).float().mean().item()
        model.train()
        print(f"step {step} teacher forcing {forcing:.2f} loss {loss.item():.4f} whole sequences right {right:.3f}")
