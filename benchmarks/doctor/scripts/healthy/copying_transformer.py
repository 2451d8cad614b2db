"""Small causal transformer that learns to copy a sequence after a separator; loss only on the copied part."""
import torch
import torch.nn as nn

torch.manual_seed(25)
V, L, SEP = 8, 5, 0


def batch(n):
    s = torch.randint(1, V, (n, L))
    seq = torch.cat([s, torch.full((n, 1), SEP), s], 1)
    inp, tgt = seq[:, :-1], seq[:, 1:].clone()
    tgt[:, :L] = -100
    return inp, tgt


class TinyGPT(nn.Module):
    def __init__(self, d=32):
        super().__init__()
        self.tok = nn.Embedding(V, d)
        self.pos = nn.Parameter(torch.randn(2 * L, d) * 0.1)
        layer = nn.TransformerEncoderLayer(d, 4, 64, dropout=0.0, batch_first=True, norm_first=True)
        self.enc = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.out = nn.Linear(d, V)
        self.register_buffer("mask", torch.triu(torch.full((2 * L, 2 * L), float("-inf")), 1))

    def forward(self, x):
        t = x.size(1)
        return self.out(self.enc(self.tok(x) + self.pos[:t], mask=self.mask[:t, :t]))


model = TinyGPT()
opt = torch.optim.AdamW(model.parameters(), lr=4e-3)
warm = torch.optim.lr_scheduler.LambdaLR(opt, lambda s: min(1.0, (s + 1) / 50))
for step in range(225):
    x, t = batch(48)
    loss = nn.functional.cross_entropy(model(x).transpose(1, 2), t, ignore_index=-100)
    opt.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    opt.step()
    warm.step()
    if step % 75 == 74:
        model.eval()
        with torch.no_grad():
            x, t = batch(200)
            ok = (model(x).argmax(-1) == t)[:, L:].float().mean().item()
        model.train()
        print(f"step {step} loss {loss.item():.4f} copy acc {ok:.3f}")
