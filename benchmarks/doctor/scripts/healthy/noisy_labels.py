import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import load_digits

torch.manual_seed(0)
rng = np.random.RandomState(0)
X, y = load_digits(return_X_y=True)
order = rng.permutation(len(y))
X, y = X[order] / 16.0, y[order]
noisy = y.copy()
flip = rng.rand(len(y)) < 0.4
noisy[flip] = rng.randint(0, 10, flip.sum())
xt = torch.tensor(X, dtype=torch.float32)
yn, yc = torch.tensor(noisy), torch.tensor(y)


def gce(logits, t, q=0.7):
    p = logits.softmax(1).gather(1, t[:, None]).clamp_min(1e-6)
    return ((1 - p ** q) / q).mean()


net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, 10))
opt = torch.optim.Adam(net.parameters(), lr=2e-3, weight_decay=1e-4)
for epoch in range(30):
    net.train()
    tot = 0
    for b in torch.randperm(1300).split(50):
        loss = gce(net(xt[b]), yn[b])
        opt.zero_grad()
        loss.backward()
        opt.step()
        tot += loss.item() * len(b)
    net.eval()
    with torch.no_grad():
        pred = net(xt).argmax(1)
        a_noisy = (pred[:1300] == yn[:1300]).float().mean().item()
        a_clean = (pred[1300:] == yc[1300:]).float().mean().item()
    if epoch % 5 == 4:
        print(f"epoch {epoch+1} loss {tot/1300:.4f} agreement with the noisy labels {a_noisy:.3f} clean test acc {a_clean:.4f}")
