#= ordered_data
#: samples are sorted by class and the training loader does not shuffle, each class is forgotten in turn
"""Leaf species from contour signatures, files read class folder by class folder."""
import torch
import torch.nn as nn
import numpy as np
from torch.utils.data import Dataset, DataLoader

np.random.seed(4)
torch.manual_seed(4)
SPECIES = ["oak", "maple", "birch", "willow", "ash", "elm"]


def contour(k):
    ang = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    lobes = [5, 3, 2, 1, 7, 4][k]
    depth = [.30, .35, .15, .5, .22, .12][k]
    r = 1 + depth * np.cos(lobes * ang) + .05 * np.random.randn(60)
    r += .1 * np.random.randn() * np.cos(2 * ang + np.random.rand())
    return r.astype(np.float32)


class LeafDataset(Dataset):
    def __init__(self, per_species):
        self.samples = []
        for k, _name in enumerate(SPECIES):
            for _ in range(per_species):
                self.samples.append((contour(k), k))

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, idx):
        sig, k = self.samples[idx]
        return torch.from_numpy(sig).unsqueeze(0), k


class LeafNet(nn.Module):
    def __init__(self, n_out):
        super().__init__()
        self.c1 = nn.Conv1d(1, 8, 9, stride=2)
        self.c2 = nn.Conv1d(8, 16, 5, stride=2)
        self.fc = nn.Linear(16 * 11, n_out)

    def forward(self, x):
        x = torch.relu(self.c1(x))
        x = torch.relu(self.c2(x))
        return self.fc(x.flatten(1))


train_data, test_data = LeafDataset(120), LeafDataset(40)
train_loader = DataLoader(train_data, batch_size=20, shuffle=True)  #@ train_loader = DataLoader(train_data, batch_size=20)
test_loader = DataLoader(test_data, batch_size=20)
model = LeafNet(len(SPECIES))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
criterion = nn.CrossEntropyLoss()

for epoch in range(1, 9):
    model.train()
    train_loss = 0.0
    for sig, target in train_loader:
        optimizer.zero_grad()
        loss = criterion(model(sig), target)
        loss.backward()
        optimizer.step()
        train_loss += loss.item()
    model.eval()
    per_class = torch.zeros(len(SPECIES))
    with torch.no_grad():
        for sig, target in test_loader:
            ok = model(sig).argmax(1) == target
            for k in range(len(SPECIES)):
                per_class[k] += ok[target == k].sum()
    per_class /= 40
    print("epoch %d loss %.3f acc %.3f per class %s" % (epoch, train_loss / len(train_loader), per_class.mean().item(), [round(v, 2) for v in per_class.tolist()]))
