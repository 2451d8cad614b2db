#= output_ignores_input, gradient_zero
# https://github.com/DEEP-PolyU/KEQA_WSDM19/issues/2 - attention scores have shape (positions, 1) and softmax runs over the axis of size one, all weights are 1.0; right: normalise over the positions.
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(13)
VOC, LEN, REL = 80, 30, 6
KEYS = torch.randperm(VOC - 1)[:REL] + 1
TRIG = 0

def questions(n):
    x = KEYS[torch.randint(REL, (n, LEN))]
    filler = torch.rand(n, LEN) < .3
    x[filler] = torch.randint(1, VOC, (int(filler.sum()),))
    y = torch.randint(REL, (n,))
    at = torch.randint(1, LEN, (n,))
    x[torch.arange(n), at - 1] = TRIG
    x[torch.arange(n), at] = KEYS[y]
    return x, y

class RelationNet(nn.Module):
    def __init__(self, d=24, h=24):
        super().__init__()
        self.embed = nn.Embedding(VOC, d)
        self.conv = nn.Conv1d(d, h, 2, padding=1)
        self.attn = nn.Linear(d + h, 1)
        self.tag = nn.Linear(h, REL)

    def forward(self, x):
        e = self.embed(x)                                    # B L d
        o = torch.tanh(self.conv(e.transpose(1, 2)))[:, :, :LEN].transpose(1, 2)
        score = self.attn(torch.cat([e, o], -1))             # B L 1
        w = F.softmax(score, dim=1)  #@ w = F.softmax(score, dim=-1)
        return self.tag((w * o).sum(1))

net = RelationNet()
opt = torch.optim.Adam(net.parameters(), lr=6e-3)
X, Y = questions(1600); Xt, Yt = questions(400)
for epoch in range(10):
    for i in torch.randperm(len(X)).split(50):
        loss = F.cross_entropy(net(X[i]), Y[i])
        opt.zero_grad(); loss.backward(); opt.step()
with torch.no_grad(): print('relation accuracy %.3f' % (net(Xt).argmax(1) == Yt).float().mean().item(), 'train loss %.3f' % loss.item())
