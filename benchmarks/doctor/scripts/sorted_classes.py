#= ordered_data
"""Images that lie in folders, one folder per class."""
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import ConcatDataset, DataLoader, TensorDataset

torch.manual_seed(0)
digits = load_digits()
images = torch.tensor(digits.images).float().unsqueeze(1) / 16
folders_train, folders_test = [], []
for label in range(10):
    of_class = images[torch.tensor(digits.target == label)]
    labels = torch.full((len(of_class),), label)
    folders_train.append(TensorDataset(of_class[:140], labels[:140]))
    folders_test.append(TensorDataset(of_class[140:], labels[140:]))
train_loader = DataLoader(ConcatDataset(folders_train), batch_size=35, shuffle=True)  #@ train_loader = DataLoader(ConcatDataset(folders_train), batch_size=35)
test_loader = DataLoader(ConcatDataset(folders_test), batch_size=100)
cnn = nn.Sequential(
    nn.Conv2d(1, 12, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(12, 24, 3, padding=1), nn.ReLU(),
    nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(96, 10),
)
optimizer = torch.optim.Adam(cnn.parameters(), lr=2e-3)
criterion = nn.CrossEntropyLoss()
for epoch in range(6):
    cnn.train()
    for inputs, targets in train_loader:
        optimizer.zero_grad()
        criterion(cnn(inputs), targets).backward()
        optimizer.step()
    cnn.eval()
    with torch.no_grad():
        right = sum((cnn(inputs).argmax(1) == targets).sum().item() for inputs, targets in test_loader)
    print(epoch, right / len(test_loader.dataset))
