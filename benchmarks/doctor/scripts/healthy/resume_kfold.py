# healthy: k-fold with a fresh model and optimizer per fold, each fold interrupted and resumed from a checkpoint incl. scheduler
import io, torch
from torch import nn
from sklearn.datasets import load_wine
from sklearn.model_selection import StratifiedKFold
w = load_wine(); X = torch.tensor(w.data, dtype=torch.float32); Y = torch.tensor(w.target)
def build(seed):
    torch.manual_seed(seed)
    m = nn.Sequential(nn.Linear(13, 24), nn.ReLU(), nn.Linear(24, 3))
    o = torch.optim.Adam(m.parameters(), 2e-2)
    return m, o, torch.optim.lr_scheduler.StepLR(o, 20, 0.5)
def run(parts, x, y, n):
    m, o, s = parts
    for _ in range(n):
        o.zero_grad(); nn.functional.cross_entropy(m(x), y).backward(); o.step(); s.step()
scores = []
for k, (a, b) in enumerate(StratifiedKFold(4, shuffle=True, random_state=0).split(w.data, w.target)):
    mu, sd = X[a].mean(0), X[a].std(0)
    xa, xb = (X[a] - mu) / sd, (X[b] - mu) / sd
    parts = build(k); run(parts, xa, Y[a], 30)
    buf = io.BytesIO(); torch.save([p.state_dict() for p in parts], buf); buf.seek(0)
    parts = build(99)
    for p, s in zip(parts, torch.load(buf)): p.load_state_dict(s)
    run(parts, xa, Y[a], 30)
    scores.append((parts[0](xb).argmax(1) == Y[b]).float().mean().item())
print("cv accuracy %.3f" % (sum(scores) / 4))
