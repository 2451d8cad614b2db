# Kim (2014) sentence CNN: static + tuned channels, several widths, max-over-time, max-norm rows, Adadelta
import torch, torch.nn as nn, torch.nn.functional as F
torch.manual_seed(2)
V, L, PAD = 200, 24, 0
gen = torch.Generator().manual_seed(4)
pos_bi, neg_bi = [(11, 12), (13, 14), (15, 16)], [(12, 11), (14, 13), (16, 15)]   # word order carries the sentiment
def make(n):
    x = torch.randint(20, V, (n, L), generator=gen); y = torch.randint(2, (n,), generator=gen)
    for i in range(n):
        ln = int(torch.randint(8, L + 1, (1,), generator=gen)); x[i, ln:] = PAD
        a, b = (pos_bi if y[i] else neg_bi)[int(torch.randint(3, (1,), generator=gen))]
        p = int(torch.randint(ln - 1, (1,), generator=gen)); x[i, p], x[i, p + 1] = a, b
    return x, y
xtr, ytr = make(1500); xde, yde = make(300); xte, yte = make(400)
pre = torch.randn(V, 24) * .3; pre[PAD] = 0
class CNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.static = nn.Embedding.from_pretrained(pre, freeze=True, padding_idx=PAD)
        self.tuned = nn.Embedding.from_pretrained(pre.clone(), freeze=False, padding_idx=PAD)
        self.convs = nn.ModuleList([nn.Conv2d(2, 32, (k, 24), padding=(k - 1, 0)) for k in (2, 3, 4)])
        self.fc = nn.Linear(96, 2)
    def forward(self, x):
        e = torch.stack([self.static(x), self.tuned(x)], 1)
        z = [F.relu(c(e)).squeeze(3).amax(2) for c in self.convs]
        return self.fc(F.dropout(torch.cat(z, 1), 0.5, self.training))
net = CNN()
opt = torch.optim.Adadelta([p for p in net.parameters() if p.requires_grad], lr=1.0, rho=0.95)
best, keep = 0, None
for ep in range(10):
    net.train()
    for idx in torch.randperm(len(xtr)).split(50):
        opt.zero_grad(); F.cross_entropy(net(xtr[idx]), ytr[idx]).backward(); opt.step()
        with torch.no_grad():
            w = net.fc.weight; n = w.norm(2, 1, keepdim=True).clamp(min=1e-6)
            w.mul_(n.clamp(max=3.0) / n)
    net.eval()
    with torch.no_grad(): acc = (net(xde).argmax(1) == yde).float().mean().item()
    if acc > best: best, keep = acc, {k: v.clone() for k, v in net.state_dict().items()}
net.load_state_dict(keep); net.eval()
with torch.no_grad(): print(f"dev {best:.3f} test {(net(xte).argmax(1) == yte).float().mean():.3f}")
