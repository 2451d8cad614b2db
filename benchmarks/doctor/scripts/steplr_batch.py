#= schedule_wrong
#: https://runebook.dev/en/docs/pytorch/generated/torch.optim.lr_scheduler.lrscheduler/torch.optim.lr_scheduler.LRScheduler.step ; StepLR meant per epoch is stepped in the batch loop, so the learning rate collapses in the first epoch; diagnosis: move scheduler.step to the epoch loop.
import torch
from torch import nn, optim
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import TensorDataset, DataLoader, random_split
from sklearn.datasets import load_digits

torch.manual_seed(1)
d = load_digits()
ds = TensorDataset(torch.tensor(d.images, dtype=torch.float32).unsqueeze(1) / 16 - 0.3, torch.tensor(d.target))
train_ds, test_ds = random_split(ds, [1400, 397], generator=torch.Generator().manual_seed(1))
train_dl, test_dl = DataLoader(train_ds, 64, shuffle=True), DataLoader(test_ds, 200)

class Net(nn.Module):
    def __init__(self):
        super(Net, self).__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, 1, 1)
        self.conv2 = nn.Conv2d(8, 16, 3, 1, 1)
        self.dropout = nn.Dropout(0.1)
        self.fc1 = nn.Linear(16 * 4, 32)
        self.fc2 = nn.Linear(32, 10)
    def forward(self, x):
        x = nn.functional.max_pool2d(torch.relu(self.conv1(x)), 2)
        x = nn.functional.max_pool2d(torch.relu(self.conv2(x)), 2)
        x = self.dropout(torch.flatten(x, 1))
        return nn.functional.log_softmax(self.fc2(torch.relu(self.fc1(x))), dim=1)

def train(model, loader, optimizer, epoch, scheduler):
    model.train()
    for data, target in loader:
        optimizer.zero_grad()
        loss = nn.functional.nll_loss(model(data), target)
        loss.backward()
        optimizer.step()
        #+ scheduler.step()

def test(model, loader):
    model.eval(); loss = correct = 0
    with torch.no_grad():
        for data, target in loader:
            out = model(data)
            loss += nn.functional.nll_loss(out, target, reduction='sum').item()
            correct += (out.argmax(1) == target).sum().item()
    return loss / len(loader.dataset), correct / len(loader.dataset)

model = Net(); optimizer = optim.Adadelta(model.parameters(), lr=1.0)
scheduler = StepLR(optimizer, step_size=1, gamma=0.85)
for epoch in range(1, 17):
    train(model, train_dl, optimizer, epoch, scheduler)
    scheduler.step()  #@
    print(epoch, 'test loss %.4f acc %.4f' % test(model, test_dl))
