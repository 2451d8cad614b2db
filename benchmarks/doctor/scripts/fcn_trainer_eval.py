#= eval_mode_in_training
# https://github.com/wkentaro/pytorch-fcn/issues/57 - validate() puts the model in eval mode inside the training epoch and nothing sets it back, so dropout is off for the rest; right: model.train() after validation.
import torch, torch.nn as nn, numpy as np
from sklearn.datasets import load_digits

class Trainer:
    def __init__(self, model, optimizer, train, val, max_iter, interval_validate):
        self.model, self.optim, self.train_set, self.val_set = model, optimizer, train, val
        self.max_iter, self.interval_validate = max_iter, interval_validate
        self.iteration = 0

    def validate(self):
        self.model.eval()
        x, y = self.val_set
        with torch.no_grad():
            out = self.model(x)
            loss = nn.functional.cross_entropy(out, y).item()
            acc = (out.argmax(1) == y).float().mean().item()
        self.model.train()  #@
        return loss, acc

    def train_epoch(self):
        x, y = self.train_set
        for i in torch.randperm(len(x)).split(20):
            if self.iteration % self.interval_validate == 0:
                self.last_val = self.validate()
            loss = nn.functional.cross_entropy(self.model(x[i]), y[i])
            self.optim.zero_grad()
            loss.backward()
            self.optim.step()
            self.iteration += 1
            if self.iteration >= self.max_iter:
                break

    def train(self):
        self.model.train()
        while self.iteration < self.max_iter:
            self.train_epoch()


torch.manual_seed(0); rng = np.random.RandomState(0)
d = load_digits()
perm = rng.permutation(len(d.target))
X = torch.tensor(d.data[perm] / 16, dtype=torch.float32); Y = torch.tensor(d.target[perm])
xtr, ytr = X[:260], Y[:260].clone()
noisy = torch.from_numpy(rng.rand(260) < .3); ytr[noisy] = torch.from_numpy(rng.randint(0, 10, int(noisy.sum())))
net = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Dropout(.6), nn.Linear(256, 256), nn.ReLU(), nn.Dropout(.6), nn.Linear(256, 10))
t = Trainer(net, torch.optim.Adam(net.parameters(), lr=1.5e-3), (xtr, ytr), (X[260:], Y[260:]), 900, 60)
t.train()
print('final validation loss %.3f accuracy %.3f' % t.validate())
