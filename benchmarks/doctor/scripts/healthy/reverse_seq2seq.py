# healthy: seq2seq with teacher forcing (decoder input is the shifted target), free-running evaluation
import torch
from torch import nn
import torch.nn.functional as F
torch.manual_seed(0)
V, L, BOS = 8, 5, 0
class S2S(nn.Module):
    def __init__(self, h=64):
        super().__init__()
        self.e = nn.Embedding(V, 24)
        self.enc, self.dec, self.o = nn.GRU(24, h, batch_first=True), nn.GRU(24, h, batch_first=True), nn.Linear(h, V)
    def forward(self, s, t_in):
        return self.o(self.dec(self.e(t_in), self.enc(self.e(s))[1])[0])
    @torch.no_grad()
    def greedy(self, s):
        h = self.enc(self.e(s))[1]; tok = torch.full((len(s), 1), BOS); out = []
        for _ in range(L):
            y, h = self.dec(self.e(tok), h); tok = self.o(y).argmax(-1); out.append(tok)
        return torch.cat(out, 1)
net = S2S(); opt = torch.optim.Adam(net.parameters(), 1e-2)
for it in range(260):
    s = torch.randint(1, V, (64, L)); t = s.flip(1)
    t_in = torch.cat([torch.full((64, 1), BOS), t[:, :-1]], 1)
    loss = F.cross_entropy(net(s, t_in).flatten(0, 1), t.flatten())
    opt.zero_grad(); loss.backward(); nn.utils.clip_grad_norm_(net.parameters(), 1.0); opt.step()
    if it == 180: opt.param_groups[0]["lr"] = 3e-3
s = torch.randint(1, V, (300, L))
print("token accuracy, free running %.3f" % (net.greedy(s) == s.flip(1)).float().mean().item())
