#= train_mode_in_evaluation
#: model.eval() is missing in testing; BatchNorm uses statistics of small class-sorted test batches
"""Tissue type from spectra, batch-normalised MLP, test per sample folder."""
import torch
import torch.nn as nn
import torch.optim as optim
from torch.utils.data import Dataset, DataLoader

torch.manual_seed(77)
N_CLASSES, CHANNELS = 5, 50
centers = torch.randn(N_CLASSES, CHANNELS)


class SpectraFolder(Dataset):
    """Mimics a folder per class: samples are ordered by class."""

    def __init__(self, per_class):
        self.x = torch.cat([centers[c] + 1.3 * torch.randn(per_class, CHANNELS) for c in range(N_CLASSES)])
        self.y = torch.arange(N_CLASSES).repeat_interleave(per_class)

    def __len__(self):
        return len(self.y)

    def __getitem__(self, index):
        return self.x[index], self.y[index]


def build():
    return nn.Sequential(
        nn.Linear(CHANNELS, 64), nn.BatchNorm1d(64), nn.ReLU(),
        nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU(),
        nn.Linear(64, N_CLASSES))


train_loader = DataLoader(SpectraFolder(200), batch_size=50, shuffle=True)
test_loader = DataLoader(SpectraFolder(60), batch_size=4, shuffle=False)
model = build()
criterion = nn.CrossEntropyLoss()
optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)


def train(epoch):
    model.train()
    for inputs, labels in train_loader:
        optimizer.zero_grad()
        outputs = model(inputs)
        loss = criterion(outputs, labels)
        loss.backward()
        optimizer.step()
    print("Epoch: %d Loss: %.4f" % (epoch, loss.item()))


def test():
    model.eval()  #@
    correct, total = 0, 0
    with torch.no_grad():
        for inputs, labels in test_loader:
            outputs = model(inputs)
            _, predicted = outputs.max(1)
            total += labels.size(0)
            correct += predicted.eq(labels).sum().item()
    print("Test Accuracy: %.2f%% (%d/%d)" % (100. * correct / total, correct, total))


for epoch in range(8):
    train(epoch)
    test()
