#= leak_across_splits
#: https://github.com/XuyangBai/KPConv.pytorch/issues/3 ; evaluate() takes its iterator from the training loader, so the reported accuracy is that of memorised clouds; diagnosis: use the test loader.
import math, torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
torch.manual_seed(0)
def clouds(n, k=48):
    y = torch.randint(0, 3, (n,)); out = []
    for c in y.tolist():
        p = torch.randn(k, 3)
        if c == 0: p = p / p.norm(dim=1, keepdim=True)
        elif c == 1: p = (torch.rand(k, 3) * 2 - 1) * .75; j = torch.randint(0, 3, (k,)); p[torch.arange(k), j] = p[torch.arange(k), j].sign() * .8
        else: a = torch.rand(k) * 6.283; p = torch.stack([a.cos() * .9, a.sin() * .9, torch.rand(k) * 1.6 - .8], 1)
        out.append((p + 0.2 * torch.randn(k, 3)) * (1 + .2 * torch.randn(1)))
    return torch.stack(out), y
class PointNet(nn.Module):
    def __init__(self):
        super().__init__(); self.f = nn.Sequential(nn.Linear(3, 64), nn.ReLU(), nn.Linear(64, 128), nn.ReLU()); self.g = nn.Sequential(nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 3))
    def forward(self, p): return self.g(self.f(p).amax(1))
class Trainer(object):
    def __init__(self):
        self.train_loader = DataLoader(TensorDataset(*clouds(240)), 30, shuffle=True); self.test_loader = DataLoader(TensorDataset(*clouds(400)), 50)
        self.model = PointNet(); self.optimizer = torch.optim.Adam(self.model.parameters(), 2e-3, weight_decay=1e-4)
    def train(self, epochs):
        for e in range(epochs):
            self.model.train()
            for p, y in self.train_loader:
                self.optimizer.zero_grad(); nn.functional.cross_entropy(self.model(p), y).backward(); self.optimizer.step()
            if e % 10 == 9: print('epoch', e + 1, self.evaluate())
    @torch.no_grad()
    def evaluate(self):
        self.model.eval(); ok = n = 0; loss = 0.
        test_loader_iter = iter(self.test_loader)  #@ test_loader_iter = iter(self.train_loader)
        for p, y in test_loader_iter:
            o = self.model(p); ok += (o.argmax(1) == y).sum().item(); n += len(y); loss += nn.functional.cross_entropy(o, y, reduction='sum').item()
        return {'test loss': round(loss / n, 4), 'test acc': round(ok / n, 4)}
t = Trainer(); t.train(50); print('final', t.evaluate())
