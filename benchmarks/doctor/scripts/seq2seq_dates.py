#= target_shift
# https://github.com/IpsumDominum/Pytorch-Simple-Transformer/issues/3 - during training the decoder is fed the very token it must emit (target not shifted against the input); loss near zero, free-running output is junk. Right: feed <sos> + target[:-1].
import torch
from torch import nn
torch.manual_seed(17)

SOS, V, L = 0, 12, 6

class Encoder(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.e = nn.Embedding(V, d); self.r = nn.GRU(d, d, batch_first=True)
    def forward(self, x): return self.r(self.e(x))[1]

class Decoder(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.e = nn.Embedding(V, d); self.r = nn.GRU(d, d, batch_first=True); self.o = nn.Linear(d, V)
    def forward(self, y, h):
        z, h = self.r(self.e(y), h)
        return self.o(z), h

def pairs(n):
    x = torch.randint(1, V - 1, (n, L))
    return x, x.sort(1).values + 1

enc, dec = Encoder(64), Decoder(64)
params = list(enc.parameters()) + list(dec.parameters())
opt = torch.optim.Adam(params, lr=5e-3)
lossf = nn.CrossEntropyLoss()
for it in range(350):
    x, y = pairs(64)
    start = torch.full((len(y), 1), SOS)
    dec_in = torch.cat([start, y[:, :-1]], 1)  #@ dec_in = y
    logits, _ = dec(dec_in, enc(x))
    loss = lossf(logits.transpose(1, 2), y)
    opt.zero_grad(); loss.backward(); opt.step()

@torch.no_grad()
def translate(x):
    h, tok, res = enc(x), torch.full((len(x), 1), SOS), []
    for _ in range(L):
        lg, h = dec(tok, h)
        tok = lg.argmax(-1); res.append(tok)
    return torch.cat(res, 1)

x, y = pairs(300)
print('train loss %.4f' % loss.item(), '| greedy token accuracy %.3f' % (translate(x) == y).float().mean().item())
