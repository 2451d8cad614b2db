#= not_in_optimizer
#: optimizer is created before the classifier head is replaced, new head is not trained
"""Transfer learning: pretrain a small CNN on digits 0-4, then fine-tune it for 5-9."""
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.manual_seed(5)


class SmallCNN(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 12, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(12, 24, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
        self.fc = nn.Linear(24 * 4, num_classes)

    def forward(self, x):
        return self.fc(torch.flatten(self.features(x), 1))


def train_model(model, optimizer, x, y, epochs):
    for epoch in range(epochs):
        model.train()
        running_loss = 0.0
        for idx in torch.randperm(len(x)).split(32):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x[idx]), y[idx])
            loss.backward()
            optimizer.step()
            running_loss += loss.item() * len(idx)
        print(f"  epoch {epoch} loss {running_loss / len(x):.4f}")


def accuracy(model, x, y):
    model.eval()
    with torch.no_grad():
        return (model(x).argmax(1) == y).float().mean().item()


d = load_digits()
images = torch.tensor(d.images / 16.0, dtype=torch.float32).unsqueeze(1)
labels = torch.tensor(d.target)
low = labels < 5
model_ft = SmallCNN(5)
train_model(model_ft, torch.optim.Adam(model_ft.parameters(), lr=2e-3), images[low], labels[low], 6)

x_new, y_new = images[~low], labels[~low] - 5
for p in model_ft.features.parameters():
    p.requires_grad = False
#+ optimizer_ft = torch.optim.SGD(model_ft.parameters(), lr=0.05, momentum=0.9)
num_ftrs = model_ft.fc.in_features
model_ft.fc = nn.Linear(num_ftrs, 5)
optimizer_ft = torch.optim.SGD(model_ft.parameters(), lr=0.05, momentum=0.9)  #@
print("fine-tuning")
train_model(model_ft, optimizer_ft, x_new[:650], y_new[:650], 8)
print("val acc", accuracy(model_ft, x_new[650:], y_new[650:]))
