#= schedule_wrong, schedule_mismatch
"""A convolutional network with a stepped learning rate."""
import torch
import torch.nn as nn
import torch.optim as optim
from sklearn.datasets import load_digits
from torch.optim.lr_scheduler import StepLR


def train(model, device, loader, optimizer, scheduler, epoch):
    model.train()
    for data, target in loader:
        data, target = data.to(device), target.to(device)
        optimizer.zero_grad()
        loss = nn.functional.nll_loss(model(data), target)
        loss.backward()
        optimizer.step()
        #+ scheduler.step()
    print(f"Train epoch {epoch} loss {loss.item():.4f}")


def test(model, device, loader):
    model.eval()
    correct = 0
    with torch.no_grad():
        for data, target in loader:
            correct += model(data.to(device)).argmax(1).eq(target.to(device)).sum().item()
    print("Test accuracy", correct / len(loader.dataset))


def main():
    torch.manual_seed(1)
    device = torch.device("cpu")
    digits = load_digits()
    x = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1).div(16).sub(0.3).div(0.37)
    y = torch.tensor(digits.target)
    train_set = torch.utils.data.TensorDataset(x[:1400], y[:1400])
    test_set = torch.utils.data.TensorDataset(x[1400:], y[1400:])
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3), nn.ReLU(), nn.Conv2d(16, 32, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(128, 10), nn.LogSoftmax(dim=1),
    ).to(device)
    optimizer = optim.Adadelta(model.parameters(), lr=1.0)
    scheduler = StepLR(optimizer, step_size=2, gamma=0.5)
    train_loader = torch.utils.data.DataLoader(train_set, batch_size=64, shuffle=True)
    test_loader = torch.utils.data.DataLoader(test_set, batch_size=200)
    for epoch in range(1, 9):
        train(model, device, train_loader, optimizer, scheduler, epoch)
        test(model, device, test_loader)
        scheduler.step()  #@


if __name__ == "__main__":
    main()
