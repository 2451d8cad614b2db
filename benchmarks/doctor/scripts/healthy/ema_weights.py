import copy, torch, torch.nn as nn
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import scale
torch.manual_seed(3)
X, y = load_breast_cancer(return_X_y=True); X = torch.tensor(scale(X), dtype=torch.float32); y = torch.tensor(y, dtype=torch.float32)
p = torch.randperm(len(y)); tr, te = p[:400], p[400:]
net = nn.Sequential(nn.Linear(30, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 1))
ema = copy.deepcopy(net)
for q in ema.parameters(): q.requires_grad = False
opt = torch.optim.SGD(net.parameters(), .1)
for ep in range(12):
    net.train()
    for i in tr[torch.randperm(400)].split(40):
        loss = nn.functional.binary_cross_entropy_with_logits(net(X[i]).squeeze(1), y[i])
        opt.zero_grad(); loss.backward(); opt.step()
        with torch.no_grad():
            for a, b in zip(ema.state_dict().values(), net.state_dict().values()):
                if a.dtype.is_floating_point: a.lerp_(b, .05)
                else: a.copy_(b)
net.eval(); ema.eval()
acc = lambda m: ((m(X[te]).squeeze(1) > 0) == y[te].bool()).float().mean().item()
print('accuracy raw %.3f averaged %.3f' % (acc(net), acc(ema)))
