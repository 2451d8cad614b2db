#= labels_unfit, loss_sign
# http://www.eggie5.com/132-contrastive-loss vs. the other convention (label 1 = same): the data set gives 1 for same pairs but the loss takes 1 as different, so equal digits are pushed apart; a right diagnosis says the pair label is used the wrong way round.
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import Dataset, DataLoader
from sklearn.datasets import load_digits


class PairDataset(Dataset):
    def __init__(self, x, y, length, seed):
        self.x, self.y, self.length = x, y, length
        g = torch.Generator().manual_seed(seed)
        self.i = torch.randint(0, len(y), (length,), generator=g)
        self.j = torch.randint(0, len(y), (length,), generator=g)
        want_same = torch.rand(length, generator=g) < 0.5
        for k in torch.where(want_same)[0].tolist():
            pool = torch.where(y == y[self.i[k]])[0]
            self.j[k] = pool[torch.randint(0, len(pool), (1,), generator=g)]

    def __len__(self):
        return self.length

    def __getitem__(self, k):
        i, j = self.i[k], self.j[k]
        label = float(self.y[i] == self.y[j])  # 1: same digit
        return self.x[i], self.x[j], torch.tensor(label)


class ContrastiveLoss(nn.Module):
    def __init__(self, margin=2.0):
        super().__init__()
        self.margin = margin

    def forward(self, o1, o2, label):
        dist = F.pairwise_distance(o1, o2)
        same = label * dist.pow(2)  #@ same = (1 - label) * dist.pow(2)
        diff = (1 - label) * torch.clamp(self.margin - dist, min=0.0).pow(2)  #@ diff = label * torch.clamp(self.margin - dist, min=0.0).pow(2)
        return torch.mean(same + diff)


torch.manual_seed(0)
d = load_digits()
x, y = torch.tensor(d.data / 16.0, dtype=torch.float32), torch.tensor(d.target)
p = torch.randperm(len(y))
x, y = x[p], y[p]
train_dl = DataLoader(PairDataset(x[:1300], y[:1300], 4000, 1), batch_size=64, shuffle=True)
test_dl = DataLoader(PairDataset(x[1300:], y[1300:], 800, 2), batch_size=200)
net = nn.Sequential(nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 16))
criterion, optimizer = ContrastiveLoss(), torch.optim.Adam(net.parameters(), lr=1e-3)

for epoch in range(8):
    for a, b, label in train_dl:
        optimizer.zero_grad()
        loss = criterion(net(a), net(b), label)
        loss.backward()
        optimizer.step()
    ok = n = 0
    with torch.no_grad():
        for a, b, label in test_dl:
            same = (F.pairwise_distance(net(a), net(b)) < 1.0).float()
            ok += (same == label).sum().item()
            n += len(label)
    print("Epoch {} loss {:.4f} pairs recognised {:.3f}".format(epoch, loss.item(), ok / n))
