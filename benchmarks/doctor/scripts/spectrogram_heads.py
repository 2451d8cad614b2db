#= axes_scrambled
# https://github.com/vitrioil/Speech-Separation/issues/4 (B,C,T,F) is viewed as (B,T,C*F) without permute, mixing frames and channels; right diagnosis: reshape scrambles the time axis, permute is needed first.
import torch
from torch import nn

torch.manual_seed(0)
T, NF, NCLS = 20, 12, 4


def utterances(n):
    lab = torch.randint(0, NCLS, (n, T // 4)).repeat_interleave(4, dim=1)
    proto = torch.eye(NCLS).repeat_interleave(NF // NCLS, dim=1)
    return (proto[lab] + 0.8 * torch.randn(n, T, NF)).unsqueeze(1), lab


class FrameTagger(nn.Module):
    def __init__(self, ch=6, hid=24):
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(1, ch, 3, padding=1), nn.ReLU())
        self.rnn = nn.GRU(ch * NF, hid, batch_first=True)
        self.head = nn.Linear(hid, NCLS)

    def forward(self, spec):
        h = self.conv(spec)
        b, c, t, f = h.shape
        h = h.permute(0, 2, 1, 3).reshape(b, t, c * f)  #@ h = h.view(b, t, c * f)
        return self.head(self.rnn(h)[0])


net = FrameTagger()
opt = torch.optim.RMSprop(net.parameters(), lr=3e-3)
xs, ys = utterances(256)
for epoch in range(10):
    for i in torch.randperm(256).split(32):
        out = net(xs[i])
        loss = nn.functional.cross_entropy(out.transpose(1, 2), ys[i])
        opt.zero_grad()
        loss.backward()
        opt.step()
xt, yt = utterances(200)
with torch.no_grad():
    print("frame accuracy %.3f" % (net(xt).argmax(-1) == yt).float().mean().item())
