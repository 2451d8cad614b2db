#= validation_differs
"""Images from a dataset class with a transform for each split."""
import torch
from sklearn.datasets import load_digits
from torch import nn


class Digits(torch.utils.data.Dataset):
    def __init__(self, images, labels, transform):
        self.images, self.labels, self.transform = images, labels, transform

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, i):
        return self.transform(self.images[i]), int(self.labels[i])


def to_tensor(image):
    return torch.tensor(image, dtype=torch.float32)[None] / 16.0


def normalize(image):
    return (to_tensor(image) - 0.305) / 0.376


def run():
    torch.manual_seed(2)
    digits = load_digits()
    train = Digits(digits.images[:1400], digits.target[:1400], normalize)
    valid = Digits(digits.images[1400:], digits.target[1400:], normalize)  #@ valid = Digits(digits.images[1400:], digits.target[1400:], to_tensor)
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(),
        nn.Flatten(), nn.Linear(512, 10),
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    for epoch in range(5):
        model.train()
        for images, labels in torch.utils.data.DataLoader(train, 64, shuffle=True):
            loss = nn.functional.cross_entropy(model(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        model.eval()
        right, total = 0, 0.0
        with torch.no_grad():
            for images, labels in torch.utils.data.DataLoader(valid, 128):
                logits = model(images)
                total += nn.functional.cross_entropy(logits, labels, reduction="sum").item()
                right += (logits.argmax(1) == labels).sum().item()
        print(epoch, right / len(valid), total / len(valid))


run()
