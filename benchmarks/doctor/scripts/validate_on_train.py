#= leak_across_splits
"""Train, validate and early stopping; 98 percent accuracy on validation, 70 on Kaggle."""
import torch
import torch.nn as nn
from sklearn.datasets import make_classification
from torch.utils.data import DataLoader, TensorDataset, random_split

torch.manual_seed(0)
X, y = make_classification(1200, 20, n_informative=8, n_classes=3, class_sep=0.9, random_state=2)
dataset = TensorDataset(torch.tensor(X, dtype=torch.float32), torch.tensor(y))
train_dataset, val_dataset = random_split(dataset, [900, 300], generator=torch.Generator().manual_seed(0))
train_loader = DataLoader(train_dataset, batch_size=50, shuffle=True)
val_loader = DataLoader(val_dataset, batch_size=50, shuffle=False)  #@ val_loader = DataLoader(train_dataset, batch_size=50, shuffle=False)

model = nn.Sequential(nn.Linear(20, 100), nn.ReLU(), nn.Linear(100, 100), nn.ReLU(), nn.Linear(100, 3))
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)


def evaluate(loader):
    model.eval()
    loss, correct = 0.0, 0
    with torch.no_grad():
        for inputs, labels in loader:
            outputs = model(inputs)
            loss += criterion(outputs, labels).item()
            correct += (outputs.argmax(1) == labels).sum().item()
    return loss / len(loader), correct / len(loader.dataset)


best, patience = float("inf"), 0
for epoch in range(8):
    model.train()
    for inputs, labels in train_loader:
        optimizer.zero_grad()
        loss = criterion(model(inputs), labels)
        loss.backward()
        optimizer.step()
    val_loss, val_acc = evaluate(val_loader)
    print(epoch, loss.item(), val_loss, val_acc)
    if val_loss < best:
        best, patience = val_loss, 0
    else:
        patience += 1
        if patience > 3:
            break
