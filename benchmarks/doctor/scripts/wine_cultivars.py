#= inputs_unscaled
"""Three cultivars of wine, thirteen measurements."""
import numpy as np
import torch
from sklearn.datasets import load_wine
from torch.utils.data import DataLoader, TensorDataset, random_split

torch.manual_seed(0)
X, y = load_wine(return_X_y=True)
X = (X - X.mean(axis=0)) / X.std(axis=0)  #@
dataset = TensorDataset(torch.tensor(X.astype(np.float32)), torch.tensor(y).long())
train_set, val_set = random_split(dataset, [134, 44])
train_dl = DataLoader(train_set, batch_size=16, shuffle=True)
val_dl = DataLoader(val_set, batch_size=44)


def make_model():
    return torch.nn.Sequential(
        torch.nn.Linear(13, 32),
        torch.nn.ReLU(),
        torch.nn.Linear(32, 3),
    )


def accuracy(model, dl):
    good = count = 0
    with torch.no_grad():
        for xb, yb in dl:
            good += (model(xb).argmax(1) == yb).sum().item()
            count += len(yb)
    return good / count


model = make_model()
loss_fn = torch.nn.CrossEntropyLoss()
optim = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
for epoch in range(80):
    epoch_loss = 0.0
    for xb, yb in train_dl:
        loss = loss_fn(model(xb), yb)
        optim.zero_grad()
        loss.backward()
        optim.step()
        epoch_loss += loss.item()
    if (epoch + 1) % 20 == 0:
        print(f"{epoch + 1:3d}  loss={epoch_loss / len(train_dl):.4f}  train={accuracy(model, train_dl):.3f}  "
              f"val={accuracy(model, val_dl):.3f}")
