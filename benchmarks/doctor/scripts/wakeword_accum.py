#= gradients_discarded
# https://github.com/dscripka/openWakeWord/issues/316 - zero_grad runs at every micro batch while the optimizer steps only when enough samples were seen, so all but the last micro batch are thrown away; right: zero_grad after the step.
import numpy as np, torch, torch.nn as nn
np.random.seed(5); torch.manual_seed(5)

def clip(kind, n=48):
    t = np.arange(n) / n
    if kind == 'wake':
        s = np.sin(2 * np.pi * (4 + 8 * t) * t + np.random.rand() * 6)
    elif kind == 'speech':
        s = np.sin(2 * np.pi * (12 - 8 * t) * t + np.random.rand() * 6)
    else:
        s = np.random.randn(n)
    return (s * np.random.uniform(.5, 1.5) + .3 * np.random.randn(n)).astype(np.float32)

class Mixed:
    """each micro batch comes from one source, in turn"""
    def __init__(self, per=16): self.per = per
    def __iter__(self):
        while True:
            for kind, label in (('wake', 1.), ('speech', 0.), ('wake', 1.), ('noise', 0.)):
                yield torch.from_numpy(np.stack([clip(kind) for _ in range(self.per)])), torch.full((self.per,), label)

class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Conv1d(1, 12, 7, stride=2), nn.ReLU(), nn.Conv1d(12, 16, 5, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(144, 1))
    def forward(self, x): return self.net(x[:, None]).squeeze(1)

    def train_model(self, X, max_steps, target=64):
        opt = torch.optim.Adam(self.parameters(), lr=4e-3)
        n, accumulated = 0, 0
        opt.zero_grad()  #@
        for x, y in X:
            #+ opt.zero_grad()
            loss = nn.functional.binary_cross_entropy_with_logits(self(x), y)
            accumulated += len(x)
            (loss * len(x) / target).backward()
            if accumulated >= target:
                opt.step()
                opt.zero_grad()  #@
                accumulated = 0; n += 1
            if n == max_steps: break

m = Model(); m.train_model(Mixed(), 90)
with torch.no_grad():
    acc = [((m(torch.from_numpy(np.stack([clip(k) for _ in range(150)]))) > 0) == bool(l)).float().mean().item() for k, l in (('wake', 1), ('speech', 0), ('noise', 0))]
print('detected wake %.3f, rejected speech %.3f, rejected noise %.3f' % tuple(acc))
