#= schedule_wrong
#: https://github.com/Lornatang/SRGAN-PyTorch/issues/1 (same slip fixed in https://github.com/ivadomed/ivadomed/pull/55) StepLR is configured in epochs but stepped every batch, so the learning rate is ~0 after a few epochs; a right diagnosis says move scheduler.step() out of the batch loop.
import numpy as np, torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

class Regressor(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(d, 32), nn.SiLU(), nn.Dropout(0.2), nn.Linear(32, 16), nn.SiLU())
        self.mean, self.logvar = nn.Linear(16, 1), nn.Linear(16, 1)
    def forward(self, x):
        h = self.body(x); return self.mean(h).squeeze(1), self.logvar(h).squeeze(1).clamp(-5, 3)

class Trainer:
    def __init__(self, model, cfg):
        self.model, self.cfg = model, cfg
        self.opt = torch.optim.SGD(model.parameters(), lr=cfg["lr"], momentum=0.9, weight_decay=1e-4)
        self.sched = torch.optim.lr_scheduler.StepLR(self.opt, step_size=cfg["step"], gamma=cfg["gamma"])
        self.crit = nn.GaussianNLLLoss()
    def train_epoch(self, dl):
        self.model.train(); tot = 0.0
        for x, y in dl:
            mu, lv = self.model(x)
            loss = self.crit(mu, y, lv.exp())
            self.opt.zero_grad(); loss.backward(); nn.utils.clip_grad_norm_(self.model.parameters(), 5.0); self.opt.step()
            tot += loss.item() * len(x)
            #+ self.sched.step()
        self.sched.step()  #@
        return tot / len(dl.dataset)
    def run(self, tr, te):
        for ep in range(self.cfg["epochs"]):
            l = self.train_epoch(tr)
            if ep % 10 == 0: print(f"epoch {ep:3d} nll {l:.4f}")
        self.model.eval(); x, y = te
        with torch.no_grad(): mu, lv = self.model(x)
        r2 = 1 - ((mu - y) ** 2).mean() / y.var(unbiased=False)
        return self.crit(mu, y, lv.exp()).item(), r2.item()

torch.manual_seed(0)
X, y = load_diabetes(return_X_y=True)
Xa, Xb, ya, yb = train_test_split(X, y, test_size=0.25, random_state=4)
sx = StandardScaler().fit(Xa); m, s = ya.mean(), ya.std()
T = lambda X, y: (torch.tensor(sx.transform(X), dtype=torch.float32), torch.tensor((y - m) / s, dtype=torch.float32))
tr, te = T(Xa, ya), T(Xb, yb)
dl = DataLoader(TensorDataset(*tr), batch_size=32, shuffle=True)
nll, r2 = Trainer(Regressor(tr[0].shape[1]), dict(lr=1e-2, step=15, gamma=0.1, epochs=35)).run(dl, te)
print(f"test nll {nll:.3f} R2 {r2:.3f}")
