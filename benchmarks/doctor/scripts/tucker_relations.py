#= samples_missing
# https://github.com/ibalazevic/TuckER/issues/17 - padding_idx=0 on the relation table although relation 0 is a real relation: its vector is never trained; right: no padding_idx.
import torch
from torch import nn
torch.manual_seed(11)

NE, RELS = 60, ['successor', 'mirror', 'double']
facts = [(e, 0, (e + 1) % NE) for e in range(NE)] + [(e, 1, NE - 1 - e) for e in range(NE)] + [(e, 2, 2 * e % NE) for e in range(NE)]
facts = torch.tensor(facts)

class TuckER(nn.Module):
    def __init__(self, d1=24, d2=8):
        super().__init__()
        self.E = nn.Embedding(NE, d1)
        self.R = nn.Embedding(len(RELS), d2)  #@ self.R = nn.Embedding(len(RELS), d2, padding_idx=0)
        self.W = nn.Parameter(torch.empty(d2, d1, d1).uniform_(-1, 1))
        with torch.no_grad():
            nn.init.xavier_normal_(self.E.weight)
            self.R.weight[1:].normal_(0, .5)
            self.R.weight[0].zero_()

    def forward(self, e1, r):
        x = self.E(e1)[:, None]
        mat = torch.einsum('bk,kij->bij', self.R(r), self.W)
        return (x @ mat).squeeze(1) @ self.E.weight.T

model = TuckER()
opt = torch.optim.Adam(model.parameters(), lr=0.01)
for it in range(100):
    for b in torch.randperm(len(facts)).split(45):
        e1, r, e2 = facts[b].T
        loss = nn.functional.cross_entropy(model(e1, r), e2)
        opt.zero_grad(); loss.backward(); opt.step()
with torch.no_grad():
    for k, name in enumerate(RELS):
        f = facts[facts[:, 1] == k]
        print(name, 'hits@1', round((model(f[:, 0], f[:, 1]).argmax(1) == f[:, 2]).float().mean().item(), 3), end='  ')
print('overall', round((model(facts[:, 0], facts[:, 1]).argmax(1) == facts[:, 2]).float().mean().item(), 3))
