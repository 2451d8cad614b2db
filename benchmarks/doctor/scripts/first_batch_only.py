#= repeated_batches
"""Steps are counted, not epochs, and the next batch is asked for each time."""
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(2)
images, classes = load_digits(return_X_y=True)
images, classes = torch.tensor(images, dtype=torch.float32) / 16, torch.tensor(classes)
training = TensorDataset(images[:1500], classes[:1500])
testing = TensorDataset(images[1500:], classes[1500:])
train_loader = DataLoader(training, batch_size=50, shuffle=False)
test_loader = DataLoader(testing, batch_size=99, shuffle=False)
model = nn.Sequential(nn.Linear(64, 100), nn.ReLU(), nn.Linear(100, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
objective = nn.CrossEntropyLoss()
step, max_steps = 0, 300
batches = iter(train_loader)
while step < max_steps:
    try:  #@ x, y = next(iter(train_loader))
        x, y = next(batches)  #@
    except StopIteration:  #@
        batches = iter(train_loader)  #@
        x, y = next(batches)  #@
    optimizer.zero_grad()
    loss = objective(model(x), y)
    loss.backward()
    optimizer.step()
    step += 1
    if step % 60 == 0:
        model.eval()
        with torch.no_grad():
            val_loss = sum(objective(model(a), b).item() for a, b in test_loader) / len(test_loader)
            right = sum((model(a).argmax(1) == b).sum().item() for a, b in test_loader)
        model.train()
        print("step", step, "loss", loss.item(), "test loss", val_loss, "test acc", right / len(testing))
