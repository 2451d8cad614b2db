#= inputs_unscaled
"""ToTensor divides by 255, and the model does so once more."""
import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, Dataset


class DigitImages(Dataset):
    def __init__(self, images, labels):
        self.images = (images / 16 * 255).astype("uint8")
        self.labels = labels

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        return torch.from_numpy(self.images[i]).unsqueeze(0).float() / 255, int(self.labels[i])


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 6, 3, padding=1), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 3), nn.Tanh())
        self.classifier = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 10))

    def forward(self, x):
        x = x  #@ x = x / 255
        return self.classifier(self.features(x))


torch.manual_seed(0)
d = load_digits()
train = DataLoader(DigitImages(d.images[:1500], d.target[:1500]), batch_size=50, shuffle=True)
test = DataLoader(DigitImages(d.images[1500:], d.target[1500:]), batch_size=99)
model = LeNet()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
for epoch in range(5):
    model.train()
    for images, labels in train:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        right = sum((model(images).argmax(1) == labels).sum().item() for images, labels in test)
    print(epoch, loss.item(), right / 297)
