"""Seq2seq digit reversal with teacher forcing that is reduced over the epochs."""
import random
import torch
import torch.nn as nn

random.seed(31)
torch.manual_seed(31)
V, L, SOS = 9, 5, 8


class Seq2Seq(nn.Module):
    def __init__(self, h=64):
        super().__init__()
        self.emb = nn.Embedding(V, 24)
        self.enc = nn.GRU(24, h, batch_first=True)
        self.cell = nn.GRUCell(24, h)
        self.out = nn.Linear(h, V)

    def forward(self, src, tgt=None, force=0.0):
        _, h = self.enc(self.emb(src))
        h = h[0]
        tok = torch.full((len(src),), SOS)
        logits = []
        for t in range(L):
            h = self.cell(self.emb(tok), h)
            o = self.out(h)
            logits.append(o)
            if tgt is not None and random.random() < force:
                tok = tgt[:, t]
            else:
                tok = o.argmax(1)
        return torch.stack(logits, 1)


src = torch.randint(0, 8, (2400, L))
tgt = src.flip(1)
model = Seq2Seq()
opt = torch.optim.Adam(model.parameters(), lr=4e-3)
for epoch in range(9):
    model.train()
    force = max(0.2, 1.0 - 0.1 * epoch)
    for idx in torch.randperm(2000).split(50):
        out = model(src[idx], tgt[idx], force)
        loss = nn.functional.cross_entropy(out.reshape(-1, V), tgt[idx].reshape(-1))
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
    model.eval()
    with torch.no_grad():
        acc = (model(src[2000:]).argmax(-1) == tgt[2000:]).float().mean().item()
    print(f"epoch {epoch} force {force:.1f} loss {loss.item():.3f} token acc {acc:.3f}")
