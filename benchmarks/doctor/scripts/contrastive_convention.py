#= loss_sign
#: label convention of the contrastive loss is the wrong way round (1 = same pushes pairs apart)
"""Siamese network for digit pairs."""
import random
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, Dataset

random.seed(9)
np.random.seed(9)
torch.manual_seed(9)


class SiameseDataset(Dataset):
    """returns two images and 1.0 if both have the same class"""

    def __init__(self, x, y, n):
        self.x, self.y, self.n = x, y, n
        self.by_class = {c: np.where(y == c)[0] for c in range(10)}

    def __getitem__(self, index):
        i = random.randrange(len(self.x))
        if random.random() < 0.5:
            j = random.choice(self.by_class[self.y[i]])
        else:
            j = random.randrange(len(self.x))
        return self.x[i], self.x[j], float(self.y[i] == self.y[j])

    def __len__(self):
        return self.n


class ContrastiveLoss(nn.Module):
    def __init__(self, margin=2.0):
        super().__init__()
        self.margin = margin

    def forward(self, output1, output2, label):
        d = F.pairwise_distance(output1, output2)
        same = label * d.pow(2)  #@ same = (1 - label) * d.pow(2)
        diff = (1 - label) * torch.clamp(self.margin - d, min=0.0).pow(2)  #@ diff = label * torch.clamp(self.margin - d, min=0.0).pow(2)
        return torch.mean(same + diff)


X, y = load_digits(return_X_y=True)
X = torch.tensor(X / 16, dtype=torch.float32)
net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 8))
train_ds = SiameseDataset(X[:1300], y[:1300], 2000)
test_ds = SiameseDataset(X[1300:], y[1300:], 800)
criterion = ContrastiveLoss()
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
for epoch in range(6):
    for img0, img1, label in DataLoader(train_ds, batch_size=50):
        optimizer.zero_grad()
        loss = criterion(net(img0), net(img1), label.float())
        loss.backward()
        optimizer.step()
    print("Epoch {} Current loss {:.4f}".format(epoch, loss.item()))
with torch.no_grad():
    ds, ls = [], []
    for img0, img1, label in DataLoader(test_ds, batch_size=100):
        ds.append(F.pairwise_distance(net(img0), net(img1)))
        ls.append(label)
d, l = torch.cat(ds), torch.cat(ls)
print(f"dist same {d[l == 1].mean():.3f} different {d[l == 0].mean():.3f}; pair accuracy {((d < 1.0) == l.bool()).float().mean():.3f}")
