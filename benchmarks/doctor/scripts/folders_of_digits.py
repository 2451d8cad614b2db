#= ordered_data
"""Images lie in one folder per class; the list of files is read folder by folder."""
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, Dataset

torch.manual_seed(4)


class FolderDataset(Dataset):
    """Like ImageFolder: (image, index of the folder) for every file, class after class."""

    def __init__(self, part):
        digits = load_digits()
        self.samples = []
        for cls in range(10):
            files = digits.images[digits.target == cls]
            cut = int(0.8 * len(files))
            for img in (files[:cut] if part == 'train' else files[cut:]):
                self.samples.append((torch.tensor(img, dtype=torch.float32) / 16 - 0.5, cls))

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, i):
        img, cls = self.samples[i]
        return img.unsqueeze(0), cls


train_loader = DataLoader(FolderDataset('train'), batch_size=16, shuffle=True)  #@ train_loader = DataLoader(FolderDataset('train'), batch_size=16)
val_loader = DataLoader(FolderDataset('val'), batch_size=64)

model = nn.Sequential(nn.Conv2d(1, 16, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(144, 48), nn.ReLU(),
                      nn.Linear(48, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
criterion = nn.CrossEntropyLoss()

for epoch in range(6):
    model.train()
    for images, targets in train_loader:
        loss = criterion(model(images), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    hits = total = 0
    with torch.no_grad():
        for images, targets in val_loader:
            hits += (model(images).argmax(1) == targets).sum().item()
            total += len(targets)
    print(f'epoch {epoch}: last loss {loss.item():.4f}, val accuracy {hits / total:.3f}')
