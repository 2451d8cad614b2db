#= unregistered_parameter
# https://github.com/pytorch/pytorch/issues/38639 - the per-column embeddings and blocks sit in Python lists, so they are not registered and the optimizer never sees them; right: nn.ModuleList.
import numpy as np
import torch
from torch import nn

rng = np.random.default_rng(7); torch.manual_seed(7)
CARD = [40, 25, 30]
eff = [rng.normal(size=c) for c in CARD]
cats = np.stack([rng.integers(0, c, 3000) for c in CARD], 1)
nums = rng.normal(size=(3000, 2))
y = sum(eff[j][cats[:, j]] for j in range(3)) + eff[0][cats[:, 0]] * eff[1][cats[:, 1]] + nums @ [.5, -.5] + rng.normal(size=3000) * .2
cats, nums, y = torch.tensor(cats), torch.tensor(nums, dtype=torch.float32), torch.tensor(y, dtype=torch.float32)


class EntityNet(nn.Module):
    def __init__(self, card, n_num, dim=3, width=48, depth=2):
        super().__init__()
        self.embs = nn.ModuleList([nn.Embedding(c, dim) for c in card])  #@ self.embs = [nn.Embedding(c, dim) for c in card]
        sizes = [len(card) * dim + n_num] + [width] * depth
        self.blocks = nn.ModuleList([nn.Linear(a, b) for a, b in zip(sizes, sizes[1:])])  #@ self.blocks = [nn.Linear(a, b) for a, b in zip(sizes, sizes[1:])]
        self.head = nn.Linear(width, 1)

    def forward(self, c, n):
        h = torch.cat([e(c[:, j]) for j, e in enumerate(self.embs)] + [n], 1)
        for b in self.blocks:
            h = torch.relu(b(h))
        return self.head(h).squeeze(1)


model = EntityNet(CARD, 2)
opt = torch.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=1e-3)
loss_fn = nn.SmoothL1Loss()
for epoch in range(12):
    for i in torch.randperm(2400).split(80):
        opt.zero_grad()
        loss_fn(model(cats[i], nums[i]), y[i]).backward()
        opt.step()
with torch.no_grad():
    p = model(cats[2400:], nums[2400:])
print('R2 on held-out rows: %.3f' % (1 - ((p - y[2400:]) ** 2).mean() / y[2400:].var()).item())
