#= evaluation_not_deterministic
#: forum classic (no address): F.dropout is called without training=self.training, so it also drops units at test time; diagnosis: dropout is active in eval mode.
import torch, math
import torch.nn as nn
import torch.nn.functional as F
torch.manual_seed(9)
VOC, LEN = 40, 12
def corpus(n, g):
    x = torch.randint(4, VOC, (n, LEN), generator=g)
    pos = (x < 14).sum(1); neg = (x >= 30).sum(1)
    keep = pos != neg
    return x[keep], (pos > neg).long()[keep]
g = torch.Generator().manual_seed(0)
xtr, ytr = corpus(2500, g); xte, yte = corpus(800, g)

class TextCNN(nn.Module):
    def __init__(self, emb=24, ch=16, p=0.5):
        super().__init__()
        self.p = p
        self.embed = nn.Embedding(VOC, emb)
        self.convs = nn.ModuleList(nn.Conv1d(emb, ch, k, padding=k // 2) for k in (1, 3, 5))
        self.fc = nn.Linear(3 * ch, 2)
    def forward(self, x):
        e = self.embed(x).transpose(1, 2)
        z = torch.cat([F.relu(c(e)).mean(2) for c in self.convs], 1)
        z = F.dropout(z, self.p, training=self.training)  #@ z = F.dropout(z, self.p)
        return self.fc(z)

net = TextCNN(); opt = torch.optim.Adam(net.parameters(), lr=3e-3)
for ep in range(6):
    net.train()
    for b in torch.randperm(len(xtr)).split(64):
        opt.zero_grad(); F.cross_entropy(net(xtr[b]), ytr[b]).backward(); opt.step()
    net.eval()
    with torch.no_grad():
        o = net(xte)
    print('epoch %d | test loss %.3f | test acc %.3f' % (ep, F.cross_entropy(o, yte), (o.argmax(1) == yte).float().mean()))
