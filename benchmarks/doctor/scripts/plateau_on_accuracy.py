#= schedule_wrong
# remembered: PyTorch forum "ReduceLROnPlateau lowers the learning rate although accuracy improves": the scheduler has mode='min' but is given the accuracy; a right diagnosis says mode='max'.
import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split


class Trainer:
    def __init__(self, model, lr, data):
        self.model = model
        self.xtr, self.xva, self.ytr, self.yva = data
        self.loss_fn = nn.CrossEntropyLoss()
        self.opt = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
        self.sched = torch.optim.lr_scheduler.ReduceLROnPlateau(self.opt, mode='max', factor=0.2, patience=2)  #@ self.sched = torch.optim.lr_scheduler.ReduceLROnPlateau(self.opt, mode='min', factor=0.2, patience=2)

    def train_epoch(self):
        self.model.train()
        tot = 0
        for i in torch.randperm(len(self.xtr)).split(64):
            self.opt.zero_grad()
            loss = self.loss_fn(self.model(self.xtr[i]), self.ytr[i])
            loss.backward()
            self.opt.step()
            tot += loss.item() * len(i)
        return tot / len(self.xtr)

    @torch.no_grad()
    def evaluate(self):
        self.model.eval()
        return (self.model(self.xva).argmax(1) == self.yva).float().mean().item()

    def fit(self, epochs):
        for e in range(epochs):
            loss = self.train_epoch()
            acc = self.evaluate()
            self.sched.step(acc)
            print(f"{e+1:3d} loss {loss:.4f} val_acc {acc:.4f}")


torch.manual_seed(3)
X, y = load_digits(return_X_y=True)
a, b, c, d = train_test_split(X / 16.0, y, test_size=0.25, random_state=0, stratify=y)
data = (torch.tensor(a).float(), torch.tensor(b).float(), torch.tensor(c), torch.tensor(d))
net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
Trainer(net, 0.05, data).fit(40)
