#= samples_mixed
#: softmax over the batch dimension in front of the cross entropy
"""Digits with a small MLP, written after a beginner tutorial."""
import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch.utils.data import DataLoader, Dataset

torch.manual_seed(42)


class DigitsDataset(Dataset):
    def __init__(self, X, y):
        self.X = torch.tensor(X / 16.0, dtype=torch.float32)
        self.y = torch.tensor(y, dtype=torch.long)

    def __len__(self):
        return len(self.X)

    def __getitem__(self, i):
        return self.X[i], self.y[i]


class Feedforward(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(64, 48)
        self.relu = nn.ReLU()
        self.fc2 = nn.Linear(48, 10)
        self.softmax = nn.Softmax(dim=0)

    def forward(self, x):
        x = self.relu(self.fc1(x))
        x = self.fc2(x)
        #+ x = self.softmax(x)
        return x


digits = load_digits()
Xtr, Xte, ytr, yte = train_test_split(digits.data, digits.target, test_size=0.25, random_state=0)
train_loader = DataLoader(DigitsDataset(Xtr, ytr), batch_size=32, shuffle=True)
test_loader = DataLoader(DigitsDataset(Xte, yte), batch_size=1)
model = Feedforward()
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

for epoch in range(10):
    total_loss = 0
    for images, labels in train_loader:
        optimizer.zero_grad()
        outputs = model(images)
        loss = criterion(outputs, labels)
        loss.backward()
        optimizer.step()
        total_loss += loss.item()
    print("epoch", epoch, "loss =", total_loss / len(train_loader))

correct = 0
with torch.no_grad():
    for images, labels in test_loader:
        correct += (model(images).argmax(dim=1) == labels).sum().item()
print("Test accuracy:", correct / len(yte))
