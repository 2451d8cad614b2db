import os, tempfile, torch, torch.nn as nn
from sklearn.datasets import load_diabetes
X, y = load_diabetes(return_X_y=True, scaled=False); g = torch.Generator().manual_seed(0); p = torch.randperm(442, generator=g); X = torch.tensor(X).float()[p]; y = torch.tensor(y).float()[p, None]
mx, sx, my, sy = X[:340].mean(0), X[:340].std(0), y[:340].mean(), y[:340].std(); X = (X - mx) / sx; y = (y - my) / sy
class Run:
    def __init__(self):
        torch.manual_seed(7); self.net = nn.Sequential(nn.Linear(10, 24), nn.ReLU(), nn.Dropout(.2), nn.Linear(24, 1)); self.opt = torch.optim.Adam(self.net.parameters(), 4e-3); self.sch = torch.optim.lr_scheduler.CosineAnnealingLR(self.opt, 20); self.epoch = 0
    def state(self): return dict(net=self.net.state_dict(), opt=self.opt.state_dict(), sch=self.sch.state_dict(), epoch=self.epoch, rng=torch.get_rng_state())
    def load(self, s): self.net.load_state_dict(s['net']); self.opt.load_state_dict(s['opt']); self.sch.load_state_dict(s['sch']); self.epoch = s['epoch']; torch.set_rng_state(s['rng'])
    def fit(self, until, ck=None, at=None):
        while self.epoch < until:
            self.net.train()
            for b in torch.randperm(340).split(20): self.opt.zero_grad(); nn.functional.mse_loss(self.net(X[b]), y[b]).backward(); self.opt.step()
            self.sch.step(); self.epoch += 1
            if self.epoch == at: torch.save(self.state(), ck)
    def val(self):
        self.net.eval()
        with torch.no_grad(): return nn.functional.mse_loss(self.net(X[340:]), y[340:]).item()
with tempfile.TemporaryDirectory() as d:
    f = os.path.join(d, 'last.pt'); a = Run(); a.fit(20, f, 11); b = Run(); b.load(torch.load(f)); b.fit(20)
    print('uninterrupted val mse %.6f, resumed %.6f, largest weight difference %.1e' % (a.val(), b.val(), max((u - v).abs().max().item() for u, v in zip(a.net.parameters(), b.net.parameters()))))
