#= attends_to_padding
# https://github.com/kermitt2/delft/pull/232 - the BiLSTM runs over the padded positions, the forward state read out at the end and the start of the backward pass come from padding; right: pack_padded_sequence with the lengths.
import torch
from torch import nn
from torch.nn.utils.rnn import pad_sequence, pack_padded_sequence

torch.manual_seed(19)
BATCH, VOC = 40, 25


def docs(n, longest):
    out = []
    for _ in range(n):
        L = int(torch.randint(4, longest, (1,)))
        w = torch.randint(1, VOC, (L,))
        out.append((w, int(w[-1] % 4)))          # the closing word decides
    return out


def batch(items):
    ws, ys = zip(*items)
    return pad_sequence(ws, batch_first=True), torch.tensor([len(w) for w in ws]), torch.tensor(ys)


class Header(nn.Module):
    def __init__(self, d=20, h=20):
        super().__init__()
        self.emb = nn.Embedding(VOC, d)
        self.rnn = nn.LSTM(d, h, batch_first=True, bidirectional=True)
        self.cls = nn.Linear(2 * h, 4)

    def forward(self, w, lens):
        x = self.emb(w)
        x = pack_padded_sequence(x, lens, batch_first=True, enforce_sorted=False)  #@
        _, (h, _) = self.rnn(x)
        return self.cls(torch.cat([h[0], h[1]], -1))


net = Header()
opt = torch.optim.Adam(net.parameters(), lr=6e-3)
train = docs(640, 45)
for epoch in range(5):
    for i in torch.randperm(len(train)).split(BATCH):
        w, l, y = batch([train[j] for j in i])
        loss = nn.functional.cross_entropy(net(w, l), y)
        opt.zero_grad(); loss.backward(); opt.step()
test = docs(240, 45)
with torch.no_grad():
    def acc(bs):
        ok = 0
        for k in range(0, len(test), bs):
            w, l, y = batch(test[k:k + bs]); ok += (net(w, l).argmax(1) == y).sum().item()
        return ok / len(test)
    print(f'accuracy batch 1: {acc(1):.3f}  batch 60: {acc(60):.3f}')
