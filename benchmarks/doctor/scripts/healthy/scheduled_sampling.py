import random, torch, torch.nn as nn
random.seed(2); torch.manual_seed(2)
V, L = 12, 5
enc_e, enc = nn.Embedding(V, 32), nn.GRU(32, 64, batch_first=True)
dec_e, cell, out = nn.Embedding(V + 1, 32), nn.GRUCell(32, 64), nn.Linear(64, V)
mods = nn.ModuleList([enc_e, enc, dec_e, cell, out]); opt = torch.optim.Adam(mods.parameters(), 4e-3)
def decode(x, y=None, ratio=0.):
    h = enc(enc_e(x))[1][0]; tok = torch.full((len(x),), V); logits = []
    for t in range(L):
        h = cell(dec_e(tok), h); logits.append(out(h))
        tok = y[:, t] if y is not None and random.random() < ratio else logits[-1].argmax(1)
    return torch.stack(logits, 1)
N = 330
for it in range(N):
    x = torch.randint(V, (48, L)); y = x.sort(1, descending=True).values
    loss = nn.functional.cross_entropy(decode(x, y, max(.2, 1 - it / N)).flatten(0, 1), y.flatten())
    opt.zero_grad(); loss.backward(); nn.utils.clip_grad_norm_(mods.parameters(), 1.); opt.step()
x = torch.randint(V, (300, L))
with torch.no_grad(): print('token accuracy decoding freely %.3f' % (decode(x).argmax(-1) == x.sort(1, descending=True).values).float().mean().item())
