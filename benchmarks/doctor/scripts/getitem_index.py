#= inputs_constant, repeated_batches
"""A Dataset of file names whose __getitem__ uses the wrong index."""
import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, Dataset

torch.manual_seed(0)
digits = load_digits()
FILES = {f"img_{i:04d}.png": (image, label) for i, (image, label) in enumerate(zip(digits.images, digits.target))}


class ImageFolderLike(Dataset):
    def __init__(self, files):
        self.paths = []
        self.targets = []
        for i, path in enumerate(files):
            self.paths.append(path)
            self.targets.append(FILES[path][1])
        self.i = i

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, idx):
        image = FILES[self.paths[idx]][0]  #@ image = FILES[self.paths[self.i]][0]
        return torch.tensor(image, dtype=torch.float32).unsqueeze(0) / 16, self.targets[idx]


names = sorted(FILES)
train_loader = DataLoader(ImageFolderLike(names[:1400]), batch_size=40, shuffle=True)
val_loader = DataLoader(ImageFolderLike(names[1400:]), batch_size=100)
model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 10))
criterion, optimizer = nn.CrossEntropyLoss(), torch.optim.Adam(model.parameters(), 2e-3)
for epoch in range(4):
    for images, labels in train_loader:
        optimizer.zero_grad()
        loss = criterion(model(images), labels)
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        print(epoch, loss.item(), sum((model(i).argmax(1) == l).sum().item() for i, l in val_loader) / 397)
