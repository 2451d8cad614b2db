#= schedule_wrong
# https://github.com/ivadomed/ivadomed/pull/55 - the scheduler counts epochs but is stepped inside the batch loop, the learning rate is gone after a few dozen batches; right: step once per epoch.
from dataclasses import dataclass
import torch, torch.nn as nn
from torch.optim.lr_scheduler import ExponentialLR
from sklearn.datasets import load_digits

@dataclass
class Context:
    epochs: int = 12
    lr: float = 5e-3
    decay: float = 0.8
    batch: int = 24

ctx = Context()
torch.manual_seed(0)
d = load_digits()
seq = torch.tensor(d.images / 16., dtype=torch.float32)          # eight rows read one after the other
lab = torch.tensor(d.target)

class RowReader(nn.Module):
    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(8, 32, batch_first=True)
        self.cls = nn.Linear(32, 10)
    def forward(self, x):
        return self.cls(self.gru(x)[1][0])

net = RowReader()
optimizer = torch.optim.AdamW(net.parameters(), lr=ctx.lr)
scheduler = ExponentialLR(optimizer, gamma=ctx.decay)
for epoch in range(ctx.epochs):
    tot = 0.
    for i in torch.randperm(1300).split(ctx.batch):
        loss = nn.functional.cross_entropy(net(seq[i]), lab[i])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        #+ scheduler.step()
        tot += loss.item() * len(i) / 1300
    scheduler.step()  #@
    print('epoch', epoch, 'training loss %.3f' % tot)
with torch.no_grad():
    print('test accuracy %.3f' % (net(seq[1300:]).argmax(1) == lab[1300:]).float().mean().item())
