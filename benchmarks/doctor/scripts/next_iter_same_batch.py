#= repeated_batches
#: next(iter(loader)) inside the step loop of an unshuffled loader always gives the first batch
"""Iteration-based training loop with an 'infinite' loader, ten-class digits."""
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset
from sklearn.datasets import load_digits

torch.manual_seed(30)
MAX_ITER, EVAL_EVERY = 600, 100

bunch = load_digits()
perm = torch.randperm(1797)
X = torch.tensor(bunch.data, dtype=torch.float32)[perm] / 8 - 1
Y = torch.tensor(bunch.target)[perm]
train_set, test_set = TensorDataset(X[:1297], Y[:1297]), TensorDataset(X[1297:], Y[1297:])

# data are already permuted above
train_loader = DataLoader(train_set, batch_size=64, shuffle=False, drop_last=True)
test_loader = DataLoader(test_set, batch_size=250)


def cycle(loader):
    while True:
        for batch in loader:
            yield batch


class Maxout(nn.Module):
    def __init__(self, d_in, d_out, pieces=3):
        super().__init__()
        self.lin = nn.Linear(d_in, d_out * pieces)
        self.d_out, self.pieces = d_out, pieces

    def forward(self, x):
        return self.lin(x).view(-1, self.d_out, self.pieces).amax(2)


model = nn.Sequential(Maxout(64, 48), Maxout(48, 32), nn.Linear(32, 10))
criterion = nn.CrossEntropyLoss(label_smoothing=0.05)
optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9, nesterov=True, weight_decay=1e-4)


@torch.no_grad()
def evaluate():
    model.eval()
    good = sum((model(x).argmax(1) == y).sum().item() for x, y in test_loader)
    model.train()
    return good / len(test_set)


batches = cycle(train_loader)
for it in range(1, MAX_ITER + 1):
    images, labels = next(batches)  #@ images, labels = next(iter(train_loader))
    loss = criterion(model(images), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if it % EVAL_EVERY == 0:
        print("iter %4d loss %.4f test acc %.4f" % (it, loss.item(), evaluate()))
