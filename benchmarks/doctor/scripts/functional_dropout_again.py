#= evaluation_not_deterministic
#: F.dropout without training=self.training: dropout also works at validation and test time
"""Handwritten digits MLP with functional dropout in several layers."""
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

torch.manual_seed(50)


class Model(nn.Module):
    def __init__(self):
        super(Model, self).__init__()
        self.input = nn.Linear(64, 96)
        self.hidden1 = nn.Linear(96, 64)
        self.hidden2 = nn.Linear(64, 32)
        self.output = nn.Linear(32, 10)

    def forward(self, x):
        x = F.dropout(x, 0.2, training=self.training)  #@ x = F.dropout(x, 0.2)
        x = F.relu(self.input(x))
        x = F.dropout(x, 0.5, training=self.training)  #@ x = F.dropout(x, 0.5)
        x = F.relu(self.hidden1(x))
        x = F.dropout(x, 0.4, training=self.training)  #@ x = F.dropout(x, 0.4)
        x = F.relu(self.hidden2(x))
        return F.log_softmax(self.output(x), dim=1)


X, y = load_digits(return_X_y=True)
X_train, X_valid, y_train, y_valid = train_test_split(X / 16., y, test_size=0.25, random_state=50)
X_train, X_valid = map(lambda a: torch.tensor(a, dtype=torch.float), (X_train, X_valid))
y_train, y_valid = map(torch.tensor, (y_train, y_valid))


def get_batches(x, t, bs):
    shuffled = torch.randperm(len(x))
    for j in range(0, len(x), bs):
        yield x[shuffled[j:j + bs]], t[shuffled[j:j + bs]]


def loss_batch(model, xb, yb, opt=None):
    out = model(xb)
    loss = F.nll_loss(out, yb)
    if opt is not None:
        loss.backward()
        opt.step()
        opt.zero_grad()
    return loss.item(), (out.argmax(dim=1) == yb).sum().item(), len(xb)


def fit(epochs, model, opt):
    for epoch in range(epochs):
        model.train()
        for xb, yb in get_batches(X_train, y_train, 32):
            loss_batch(model, xb, yb, opt)
        model.eval()
        with torch.no_grad():
            losses, hits, nums = zip(*[loss_batch(model, xb, yb) for xb, yb in get_batches(X_valid, y_valid, 64)])
        val_loss = sum(l * n for l, n in zip(losses, nums)) / sum(nums)
        if epoch % 4 == 3:
            print("epoch", epoch + 1, "val_loss %.4f" % val_loss, "val_acc %.4f" % (sum(hits) / sum(nums)))


model = Model()
fit(24, model, optim.Adam(model.parameters(), lr=3e-3))
