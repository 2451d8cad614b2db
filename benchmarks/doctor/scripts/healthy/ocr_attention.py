# healthy: https://github.com/meijieru/crnn.pytorch + Bahdanau decoder as in ASTER: digit strips read by an attention GRU with teacher forcing, PAD ignored, greedy reading at test; nothing is wrong.
import random
import torch
from torch import nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.manual_seed(31); random.seed(31)
data = load_digits()
glyph = torch.tensor(data.images, dtype=torch.float32) / 16
lab = data.target.tolist()
PAD, BOS, EOS, V = 10, 11, 12, 13

def batch(n, lo, hi):
    img, out = torch.zeros(n, 8, 32), torch.full((n, 5), PAD)
    for r in range(n):
        k = random.randint(1, 4)
        ids = [random.randrange(lo, hi) for _ in range(k)]
        off = random.randint(0, 32 - 8 * k)
        for c, i in enumerate(ids):
            img[r, :, off + 8 * c: off + 8 * c + 8] = glyph[i]
            out[r, c] = lab[i]
        out[r, k] = EOS
    return img[:, None], out

class Reader(nn.Module):
    def __init__(self, h=64):
        super().__init__()
        self.cnn = nn.Sequential(nn.Conv2d(1, 24, 3, padding=1), nn.ReLU(), nn.MaxPool2d((2, 2)), nn.Conv2d(24, h, (4, 3), padding=(0, 1)), nn.ReLU())
        self.pos = nn.Parameter(torch.randn(16, h) * .1)
        self.emb = nn.Embedding(V, 16)
        self.wq, self.wk, self.v = nn.Linear(h, h), nn.Linear(h, h), nn.Linear(h, 1, bias=False)
        self.cell = nn.GRUCell(h + 16, h)
        self.out = nn.Linear(2 * h, V)
        self.h = h
    def forward(self, img, target=None):
        m = self.cnn(img).squeeze(2).transpose(1, 2) + self.pos
        keys = self.wk(m)
        s = m.new_zeros(len(img), self.h)
        tok = torch.full((len(img),), BOS)
        logits = []
        for t in range(5):
            a = self.v(torch.tanh(keys + self.wq(s)[:, None])).squeeze(-1).softmax(1)
            ctx = (a[..., None] * m).sum(1)
            s = self.cell(torch.cat([ctx, self.emb(tok)], 1), s)
            o = self.out(torch.cat([s, ctx], 1))
            logits.append(o)
            tok = target[:, t] if target is not None else o.argmax(1)
        return torch.stack(logits, 1)

net = Reader()
opt = torch.optim.Adam(net.parameters(), 4e-3)
sch = torch.optim.lr_scheduler.OneCycleLR(opt, 6e-3, total_steps=300)
for it in range(300):
    x, y = batch(48, 0, 1400)
    loss = F.cross_entropy(net(x, y).reshape(-1, V), y.reshape(-1), ignore_index=PAD)
    opt.zero_grad(); loss.backward()
    nn.utils.clip_grad_norm_(net.parameters(), 1.); opt.step(); sch.step()
    if it % 75 == 0: print(it, round(loss.item(), 3))
net.eval()
with torch.no_grad():
    x, y = batch(400, 1400, 1797)
    p = net(x).argmax(-1)
m = y != PAD
print(f'free-running: character accuracy {(p == y)[m].float().mean():.3f}, whole strips {((p == y) | ~m).all(1).float().mean():.3f}')
