#= load_without_effect
# https://github.com/WenjieDu/PyPOTS/issues/667 and https://github.com/pytorch/tutorials/pull/188 model.state_dict() is stored without a copy, so the 'best' state keeps changing and the last epoch is restored; right diagnosis: missing deepcopy of the best state.
from copy import deepcopy
import torch
from torch import nn
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import StandardScaler


class BaseModel:
    def __init__(self, net, epochs, lr):
        self.net, self.epochs = net, epochs
        self.opt = torch.optim.Adam(net.parameters(), lr=lr)
        self.best_loss, self.best_state = float("inf"), None

    def _val(self, x, y):
        self.net.eval()
        with torch.no_grad():
            return nn.functional.cross_entropy(self.net(x), y).item()

    def fit(self, train, val):
        x, y = train
        for epoch in range(self.epochs):
            self.net.train()
            for i in torch.randperm(len(x)).split(20):
                loss = nn.functional.cross_entropy(self.net(x[i]), y[i])
                self.opt.zero_grad(); loss.backward(); self.opt.step()
            v = self._val(*val)
            if v < self.best_loss:
                self.best_loss = v
                self.best_state = deepcopy(self.net.state_dict())  #@ self.best_state = self.net.state_dict()
        self.net.load_state_dict(self.best_state)


torch.manual_seed(0)
X, t = load_breast_cancer(return_X_y=True)
X = torch.tensor(StandardScaler().fit_transform(X), dtype=torch.float32); t = torch.tensor(t)
p = torch.randperm(len(X)); X, t = X[p], t[p]
t_train = t[:120].clone()
flip = torch.rand(120) < 0.12
t_train[flip] = 1 - t_train[flip]
m = BaseModel(nn.Sequential(nn.Linear(30, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2)), 40, 2e-3)
m.fit((X[:120], t_train), (X[120:280], t[120:280]))
print("test loss of restored model %.3f (best validation %.3f)" % (m._val(X[280:], t[280:]), m.best_loss))
