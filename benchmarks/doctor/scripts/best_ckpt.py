#= load_without_effect
#: https://github.com/WenjieDu/PyPOTS/issues/667 ; best_state keeps references to the live tensors, so "restoring the best" restores the last weights; diagnosis: deepcopy the state dict.
import copy, torch
import torch.nn as nn
from dataclasses import dataclass
from sklearn.datasets import load_diabetes
from sklearn.preprocessing import StandardScaler

@dataclass
class Cfg:
    hidden: int = 256
    lr: float = 2e-3
    epochs: int = 120
    bs: int = 32
    seed: int = 5

class Trainer:
    def __init__(self, cfg):
        self.cfg = cfg
        torch.manual_seed(cfg.seed)
        d = load_diabetes()
        g = torch.Generator().manual_seed(0)
        p = torch.randperm(len(d.data), generator=g).numpy()
        tr, va, te = p[:240], p[240:340], p[340:]
        sx, sy = StandardScaler().fit(d.data[tr]), StandardScaler().fit(d.target[tr, None])
        f = lambda k: (torch.tensor(sx.transform(d.data[k])).float(), torch.tensor(sy.transform(d.target[k, None])).float())
        self.tr, self.va, self.te = f(tr), f(va), f(te)
        self.model = nn.Sequential(nn.Linear(10, cfg.hidden), nn.ReLU(), nn.Linear(cfg.hidden, cfg.hidden), nn.ReLU(), nn.Linear(cfg.hidden, 1))
        self.opt = torch.optim.Adam(self.model.parameters(), lr=cfg.lr)
        self.best_loss, self.best_state, self.best_epoch = float('inf'), None, -1

    @torch.no_grad()
    def mse(self, data):
        self.model.eval()
        return nn.functional.mse_loss(self.model(data[0]), data[1]).item()

    def fit(self):
        for ep in range(self.cfg.epochs):
            self.model.train()
            for b in torch.randperm(len(self.tr[0])).split(self.cfg.bs):
                self.opt.zero_grad()
                nn.functional.mse_loss(self.model(self.tr[0][b]), self.tr[1][b]).backward()
                self.opt.step()
            v = self.mse(self.va)
            if v < self.best_loss:
                self.best_loss, self.best_epoch = v, ep
                self.best_state = copy.deepcopy(self.model.state_dict())  #@ self.best_state = self.model.state_dict()
        self.model.load_state_dict(self.best_state)

t = Trainer(Cfg())
t.fit()
print(f'best epoch {t.best_epoch} best val {t.best_loss:.3f} | val of restored {t.mse(t.va):.3f} | test {t.mse(t.te):.3f}')
