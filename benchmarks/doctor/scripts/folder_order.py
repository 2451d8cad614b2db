#= ordered_data
#: data are sorted by class (folder order) and the loader does not shuffle
"""CNN on images read class folder by class folder."""
import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, Dataset, Subset

torch.manual_seed(31)


class FolderDataset(Dataset):
    """mimics ImageFolder: samples come ordered by class directory"""

    def __init__(self):
        d = load_digits()
        self.samples = []
        for c in range(10):
            for img in d.images[d.target == c]:
                self.samples.append((torch.tensor(img / 16.0, dtype=torch.float32)[None], c))

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, i):
        return self.samples[i]


full = FolderDataset()
val_idx = list(range(0, len(full), 5))
held = set(val_idx)
train_idx = [i for i in range(len(full)) if i not in held]
train_loader = DataLoader(Subset(full, train_idx), batch_size=32, shuffle=True)  #@ train_loader = DataLoader(Subset(full, train_idx), batch_size=32)
val_loader = DataLoader(Subset(full, val_idx), batch_size=64)
cnn = nn.Sequential(
    nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
    nn.Flatten(), nn.Linear(128, 10))
loss_func = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(cnn.parameters(), lr=0.01)

for epoch in range(6):
    cnn.train()
    train_loss = 0.0
    for step, (b_x, b_y) in enumerate(train_loader):
        output = cnn(b_x)
        loss = loss_func(output, b_y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        train_loss += loss.item()
    cnn.eval()
    good = 0
    with torch.no_grad():
        for v_x, v_y in val_loader:
            good += (cnn(v_x).argmax(1) == v_y).sum().item()
    print("epoch", epoch, "train loss", round(train_loss / (step + 1), 4), "val acc", round(good / len(val_idx), 3))
