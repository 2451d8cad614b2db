#= eval_mode_in_training
# https://github.com/tk-rusch/coRNN/issues/1 and https://github.com/pytorch/tutorials/issues/1624 the test function switches to eval() and nothing switches back, so from the second epoch batch norm trains with its early running statistics; right diagnosis: training runs in eval mode after the first validation.
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

torch.manual_seed(0)
X, y = load_breast_cancer(return_X_y=True)
xtr, xte, ytr, yte = train_test_split(X, y, test_size=0.3, random_state=0, stratify=y)
tens = lambda a, b: TensorDataset(torch.tensor(a, dtype=torch.float32), torch.tensor(b))
train_dataloader = DataLoader(tens(xtr, ytr), batch_size=32, shuffle=True, drop_last=True)
test_dataloader = DataLoader(tens(xte, yte), batch_size=64)

model = nn.Sequential(nn.BatchNorm1d(30, momentum=0.01), nn.Linear(30, 32), nn.BatchNorm1d(32, momentum=0.01), nn.ReLU(),
                      nn.Dropout(0.2), nn.Linear(32, 32), nn.BatchNorm1d(32, momentum=0.01), nn.ReLU(), nn.Linear(32, 2))
loss_fn = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=1e-2)


def train(dataloader, model, loss_fn, optimizer):
    model.train()  #@
    for X, y in dataloader:
        loss = loss_fn(model(X), y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()


def test(dataloader, model):
    model.eval()
    correct, total = 0, 0.0
    with torch.no_grad():
        for X, y in dataloader:
            out = model(X)
            correct += (out.argmax(1) == y).sum().item()
            total += loss_fn(out, y).item() * len(y)
    return correct / len(dataloader.dataset), total / len(dataloader.dataset)


for t in range(30):
    train(train_dataloader, model, loss_fn, optimizer)
    acc, avg = test(test_dataloader, model)
print(f"Test accuracy: {acc:.3f}, avg loss: {avg:.3f}")
