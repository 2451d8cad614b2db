#= schedule_mismatch, schedule_wrong
"""A one-cycle schedule."""
import torch
from sklearn.datasets import load_digits
from torch import nn

torch.manual_seed(0)
x, y = load_digits(return_X_y=True)
data = torch.utils.data.TensorDataset(torch.tensor(x).float() / 16, torch.tensor(y))
train, test = torch.utils.data.random_split(data, [1500, 297])
train_loader = torch.utils.data.DataLoader(train, batch_size=50, shuffle=True)
test_loader = torch.utils.data.DataLoader(test, batch_size=297)
EPOCHS = 8
model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.2, epochs=EPOCHS, steps_per_epoch=len(train_loader))
for epoch in range(EPOCHS):
    for inputs, labels in train_loader:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(inputs), labels).backward()
        optimizer.step()
        scheduler.step()  #@
    #+ scheduler.step()
    with torch.no_grad():
        for inputs, labels in test_loader:
            print(epoch, (model(inputs).argmax(1) == labels).float().mean().item())
