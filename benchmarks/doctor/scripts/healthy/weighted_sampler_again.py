"""Unequal classes with WeightedRandomSampler; test set stays as it comes, macro recall is reported."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import WeightedRandomSampler, DataLoader, TensorDataset

torch.manual_seed(23)
COUNTS = [900, 60, 40]


def make(counts):
    xs, ys = [], []
    for c, n in enumerate(counts):
        a = torch.rand(n) * 3.1416
        r = 1.0 + 0.9 * c + 0.22 * torch.randn(n)
        xs.append(torch.stack([r * torch.cos(a), r * torch.sin(a), torch.randn(n)], 1))
        ys.append(torch.full((n,), c))
    return TensorDataset(torch.cat(xs), torch.cat(ys))


train, test = make(COUNTS), make([450, 30, 20])
class_w = 1.0 / torch.tensor(COUNTS, dtype=torch.double)
sampler = WeightedRandomSampler(class_w[train.tensors[1]], num_samples=len(train), replacement=True)
loader = DataLoader(train, batch_size=50, sampler=sampler)
test_loader = DataLoader(test, batch_size=64)


class Rings(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(3, 40), nn.Linear(40, 40), nn.Linear(40, 3)

    def forward(self, x):
        return self.c(F.relu(self.b(F.relu(self.a(x)))))


model = Rings()
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
for epoch in range(12):
    seen = torch.zeros(3)
    model.train()
    for xb, yb in loader:
        seen += torch.bincount(yb, minlength=3)
        loss = F.cross_entropy(model(xb), yb)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    hit, tot = torch.zeros(3), torch.zeros(3)
    with torch.no_grad():
        for xb, yb in test_loader:
            p = model(xb).argmax(1)
            hit += torch.bincount(yb[p == yb], minlength=3)
            tot += torch.bincount(yb, minlength=3)
    if epoch % 3 == 2:
        print("epoch", epoch, "sampled", seen.int().tolist(), "recall", [round(v, 3) for v in (hit / tot).tolist()],
              "macro %.3f" % (hit / tot).mean().item())
