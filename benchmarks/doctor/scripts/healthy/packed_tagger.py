import torch, torch.nn as nn
from torch.nn.utils.rnn import pad_sequence, pack_sequence, pad_packed_sequence
torch.manual_seed(5)
def sent():
    w = torch.randint(1, 30, (int(torch.randint(3, 20, (1,))),))
    nxt = torch.cat([w[1:], torch.zeros(1, dtype=torch.long)])
    return w, ((w + nxt) % 4)
class Tag(nn.Module):
    def __init__(self):
        super().__init__()
        self.e = nn.Embedding(30, 24, padding_idx=0); self.r = nn.GRU(24, 32, bidirectional=True); self.o = nn.Linear(64, 4)
    def forward(self, ws):
        p = pack_sequence([self.e(w) for w in ws], enforce_sorted=False)
        h, n = pad_packed_sequence(self.r(p)[0], batch_first=True)
        return self.o(h)
net = Tag(); opt = torch.optim.Adam(net.parameters(), 8e-3)
lossf = nn.CrossEntropyLoss(ignore_index=-100)
data = [sent() for _ in range(600)]
for ep in range(7):
    for i in torch.randperm(600).split(30):
        w, t = zip(*[data[j] for j in i])
        t = pad_sequence(t, batch_first=True, padding_value=-100)
        loss = lossf(net(w).flatten(0, 1), t.flatten())
        opt.zero_grad(); loss.backward(); opt.step()
ok = n = 0
with torch.no_grad():
    for _ in range(100):
        w, t = sent(); ok += (net([w])[0].argmax(-1) == t).sum().item(); n += len(t)
print('tag accuracy %.3f' % (ok / n))
