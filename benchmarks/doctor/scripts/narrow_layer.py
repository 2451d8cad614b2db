#= bottleneck
"""Digits through a layer of one unit."""
import torch
from sklearn.datasets import load_digits
from torch import nn, optim


class NeuralNetwork(nn.Module):
    def __init__(self, hidden1=128, hidden2=32):  #@ def __init__(self, hidden1=128, hidden2=1):
        super().__init__()
        self.flatten = nn.Flatten()
        self.linear_relu_stack = nn.Sequential(
            nn.Linear(8 * 8, hidden1),
            nn.ReLU(),
            nn.Linear(hidden1, hidden2),
            nn.ReLU(),
            nn.Linear(hidden2, 10),
        )

    def forward(self, x):
        x = self.flatten(x)
        logits = self.linear_relu_stack(x)
        return logits


def train_loop(dataloader, model, loss_fn, optimizer):
    size = len(dataloader.dataset)
    for batch, (X, y) in enumerate(dataloader):
        pred = model(X)
        loss = loss_fn(pred, y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if batch % 10 == 0:
            print(f"loss: {loss.item():>7f}  [{batch * len(X):>5d}/{size:>5d}]")


def test_loop(dataloader, model, loss_fn):
    model.eval()
    test_loss, correct = 0, 0
    with torch.no_grad():
        for X, y in dataloader:
            pred = model(X)
            test_loss += loss_fn(pred, y).item()
            correct += (pred.argmax(1) == y).type(torch.float).sum().item()
    print(f"Test Error: Accuracy: {(100 * correct / len(dataloader.dataset)):>0.1f}%, Avg loss: {test_loss / len(dataloader):>8f}\n")
    model.train()


torch.manual_seed(0)
digits = load_digits()
everything = torch.utils.data.TensorDataset(torch.tensor(digits.images / 16).float(), torch.tensor(digits.target))
training_data, test_data = torch.utils.data.random_split(everything, [1437, 360])
train_dataloader = torch.utils.data.DataLoader(training_data, batch_size=64, shuffle=True)
test_dataloader = torch.utils.data.DataLoader(test_data, batch_size=64)
model = NeuralNetwork()
optimizer = optim.Adam(model.parameters(), lr=2e-3)
for t in range(12):
    train_loop(train_dataloader, model, nn.CrossEntropyLoss(), optimizer)
    test_loop(test_dataloader, model, nn.CrossEntropyLoss())
