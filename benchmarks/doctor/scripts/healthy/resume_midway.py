import os, tempfile, torch, torch.nn as nn
from sklearn.datasets import load_diabetes
X, y = load_diabetes(return_X_y=True)
X = torch.tensor(X * 20, dtype=torch.float32); y = torch.tensor((y - y[:350].mean()) / y[:350].std(), dtype=torch.float32)
def build():
    torch.manual_seed(0)
    m = nn.Sequential(nn.Linear(10, 24), nn.ReLU(), nn.Linear(24, 1)); o = torch.optim.AdamW(m.parameters(), 3e-3)
    return m, o, torch.optim.lr_scheduler.CosineAnnealingLR(o, 20)
def run(m, o, s, a, b):
    for ep in range(a, b):
        g = torch.Generator().manual_seed(ep)
        for i in torch.randperm(350, generator=g).split(50):
            l = nn.functional.mse_loss(m(X[i]).squeeze(1), y[i]); o.zero_grad(); l.backward(); o.step()
        s.step()
    return l.item()
m, o, s = build(); run(m, o, s, 0, 20); whole = m(X[350:]).detach()
path = os.path.join(tempfile.mkdtemp(), 'c.pt')
m, o, s = build(); run(m, o, s, 0, 9); torch.save(dict(m=m.state_dict(), o=o.state_dict(), s=s.state_dict(), ep=9), path)
m, o, s = build(); c = torch.load(path); m.load_state_dict(c['m']); o.load_state_dict(c['o']); s.load_state_dict(c['s'])
run(m, o, s, c['ep'], 20); os.remove(path)
p = m(X[350:]).squeeze(1).detach()
print('difference to the unbroken run %.1e, test R2 %.3f' % ((m(X[350:]) - whole).abs().max().item(), (1 - ((p - y[350:]) ** 2).mean() / y[350:].var()).item()))
