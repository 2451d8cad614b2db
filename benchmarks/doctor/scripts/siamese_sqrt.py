#= nonfinite
# Stack Overflow / PyTorch forum "Siamese network loss becomes nan" (torch.sqrt of a squared distance that is exactly 0): the derivative of sqrt at 0 is infinite and pairs of equal images give NaN; a right diagnosis names sqrt(0) and asks for an epsilon.
import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import load_digits

rng = np.random.RandomState(0)
torch.manual_seed(0)
digits = load_digits()
X = torch.tensor(digits.data / 16.0, dtype=torch.float32)
y = digits.target
by_class = {c: np.where(y[:1300] == c)[0] for c in range(10)}
by_class_test = {c: 1300 + np.where(y[1300:] == c)[0] for c in range(10)}


def sample_pairs(n, pool):
    a, b, same = [], [], []
    for _ in range(n):
        c = rng.randint(10)
        s = rng.rand() < 0.5
        c2 = c if s else (c + rng.randint(1, 10)) % 10
        a.append(rng.choice(pool[c]))
        b.append(rng.choice(pool[c2]))
        same.append(float(s))
    return X[a], X[b], torch.tensor(same)


class Siamese(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 16))

    def forward(self, a, b):
        d2 = ((self.net(a) - self.net(b)) ** 2).sum(1)
        return torch.sqrt(d2 + 1e-8)  #@ return torch.sqrt(d2)


net = Siamese()
opt = torch.optim.Adam(net.parameters(), lr=1e-3)
margin = 2.0
for step in range(1, 601):
    a, b, same = sample_pairs(64, by_class)
    dist = net(a, b)
    loss = (same * dist ** 2 + (1 - same) * torch.clamp(margin - dist, min=0) ** 2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 100 == 0:
        with torch.no_grad():
            a, b, same = sample_pairs(400, by_class_test)
            acc = ((net(a, b) < margin / 2).float() == same).float().mean().item()
        print(f"step {step} loss {loss.item():.4f} verification accuracy {acc:.3f}")
