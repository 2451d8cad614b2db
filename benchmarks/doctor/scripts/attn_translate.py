#= samples_mixed
# https://github.com/PetrochukM/PyTorch-NLP/issues/2 - attention weights are normalised over the query/batch axis rather than the context axis; right: softmax over the last (context) dimension.
import torch, random
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset

torch.manual_seed(7); random.seed(7)


class Reverse(Dataset):
    SOS = 10

    def __init__(self, n, L=7, seed=0):
        r = random.Random(seed)
        self.items = [[r.randrange(10) for _ in range(L)] for _ in range(n)]

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        s = torch.tensor(self.items[i])
        return s, s.flip(0)


class Attention(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.linear_in = nn.Linear(dim, dim, bias=False)
        self.linear_out = nn.Linear(dim * 2, dim, bias=False)

    def forward(self, query, context):
        # query [B, 1, D]; context [B, L, D]
        scores = torch.bmm(self.linear_in(query), context.transpose(1, 2)).squeeze(1)
        w = F.softmax(scores, dim=-1).unsqueeze(1)  #@ w = F.softmax(scores, dim=0).unsqueeze(1)
        mix = torch.bmm(w, context)
        return torch.tanh(self.linear_out(torch.cat([mix, query], 2))), w


class Net(nn.Module):
    def __init__(self, d=48):
        super().__init__()
        self.emb = nn.Embedding(11, d)
        self.pos = nn.Embedding(8, d)
        self.enc = nn.GRU(d, d, batch_first=True)
        self.dec = nn.GRUCell(d, d)
        self.att = Attention(d)
        self.out = nn.Linear(d, 10)

    def forward(self, src, tgt=None):
        e = self.emb(src) + self.pos(torch.arange(src.size(1)))
        ctx, h = self.enc(e)
        ctx = ctx + e
        h = torch.zeros_like(h[0])
        tok = torch.full((len(src),), Reverse.SOS)
        logits = []
        for t in range(src.size(1)):
            h = self.dec(self.emb(tok) + self.pos.weight[t], h)
            o, _ = self.att(h.unsqueeze(1), ctx)
            logits.append(self.out(o.squeeze(1)))
            tok = tgt[:, t] if tgt is not None else logits[-1].argmax(-1)
        return torch.stack(logits, 1)


net = Net()
opt = torch.optim.Adam(net.parameters(), 4e-3)
for epoch in range(6):
    for src, tgt in DataLoader(Reverse(2048), 64, shuffle=True):
        loss = F.cross_entropy(net(src, tgt).flatten(0, 1), tgt.flatten())
        opt.zero_grad(); loss.backward(); opt.step()
    print(epoch, loss.item())

ok = tot = 0
with torch.no_grad():
    for src, tgt in DataLoader(Reverse(200, seed=1), 1):
        ok += (net(src).argmax(-1) == tgt).sum().item(); tot += tgt.numel()
print('token accuracy, batch size 1:', ok / tot)
