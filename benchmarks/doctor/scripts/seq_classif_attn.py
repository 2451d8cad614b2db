#= softmax_over_queries
#: https://github.com/PetrochukM/PyTorch-NLP/issues/2 attention weights are normalised over dim 0 (the batch) instead of over the positions of the context; a right diagnosis says softmax(dim=-1)/over time.
import torch, torch.nn as nn, torch.nn.functional as F
torch.manual_seed(5)
# reviews as token lists; only the token right after the marker decides the class, at test time one review at a time
gen = torch.Generator().manual_seed(5)
V, L, MARK = 60, 18, 1
def reviews(n):
    x = torch.randint(2, V, (n, L), generator=gen); p = torch.randint(0, L - 1, (n,), generator=gen); r = torch.arange(n)
    x[r, p] = MARK; y = x[r, p + 1] % 4
    return x, y
xtr, ytr = reviews(3000); xte, yte = reviews(500)

class DotAttention(nn.Module):
    def __init__(self, d):
        super().__init__(); self.linear_out = nn.Linear(2 * d, d, bias=False); self.key = nn.Linear(d, d, bias=False)
    def forward(self, query, context):
        scores = torch.bmm(query, self.key(context).transpose(1, 2))            # n, 1, time
        weights = F.softmax(scores, dim=-1)  #@ weights = F.softmax(scores, dim=0)
        mix = torch.bmm(weights, context)
        return torch.tanh(self.linear_out(torch.cat([mix, query], 2))), weights

class Reader(nn.Module):
    def __init__(self, d=40):
        super().__init__()
        self.emb, self.rnn = nn.Embedding(V, d), nn.GRU(d, d // 2, bidirectional=True, batch_first=True)
        self.query = nn.Parameter(torch.randn(1, 1, d) * .3); self.att, self.cls = DotAttention(d), nn.Linear(d, 4)
    def forward(self, x):
        h, _ = self.rnn(self.emb(x)); o, w = self.att(self.query.expand(len(x), -1, -1), h); return self.cls(o[:, 0])

net = Reader(); opt = torch.optim.Adam(net.parameters(), lr=4e-3)
for epoch in range(9):
    net.train(); s = 0.
    for b in torch.randperm(3000).split(60):
        loss = F.cross_entropy(net(xtr[b]), ytr[b]); opt.zero_grad(); loss.backward(); opt.step(); s += loss.item()
    print(f"epoch {epoch} loss {s / 50:.3f}")
net.eval()
with torch.no_grad():
    acc = sum((net(xte[i:i + 1]).argmax(1) == yte[i:i + 1]).item() for i in range(500)) / 500
print(f"accuracy, one review at a time {acc:.3f}")
