#= too_few_steps
"""Digits with a DataLoader, Keras-like fit."""
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

BATCH_SIZE = 32  #@ BATCH_SIZE = 2048
EPOCHS = 12

torch.manual_seed(0)
X, y = load_digits(return_X_y=True)
full = TensorDataset(torch.tensor(X / 16.0).float(), torch.tensor(y))
train_data, test_data = random_split(full, [1500, len(full) - 1500])


def fit(model, data, epochs, batch_size, optimizer, loss_fn):
    loader = DataLoader(data, batch_size=batch_size, shuffle=True)
    for epoch in range(epochs):
        total = 0
        for inputs, targets in loader:
            optimizer.zero_grad()
            loss = loss_fn(model(inputs), targets)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(inputs)
        print(f'Epoch {epoch + 1}/{epochs} - loss: {total / len(data):.4f}')


def evaluate(model, data):
    inputs, targets = next(iter(DataLoader(data, batch_size=len(data))))
    with torch.no_grad():
        return (model(inputs).argmax(dim=1) == targets).float().mean().item()


model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
fit(model, train_data, EPOCHS, BATCH_SIZE, torch.optim.SGD(model.parameters(), lr=0.1), nn.CrossEntropyLoss())
print('test accuracy:', evaluate(model, test_data))
