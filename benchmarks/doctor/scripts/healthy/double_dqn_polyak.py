import copy, random
from collections import namedtuple, deque
import torch
from torch import nn
random.seed(1); torch.manual_seed(1)
T = namedtuple('T', 's a r s2 d')
L = 10
one = torch.eye(L + 1)
q = nn.Sequential(nn.Linear(L + 1, 32), nn.ReLU(), nn.Linear(32, 2))
qt = copy.deepcopy(q).requires_grad_(False)
opt = torch.optim.Adam(q.parameters(), 3e-3)
mem, k = deque(maxlen=2000), 0
for ep in range(70):
    s = random.randrange(L); done, t = False, 0
    while not done and t < 30:
        a = random.randrange(2) if random.random() < .4 else int(q(one[s]).argmax())
        s2 = max(0, s + (1 if a else -1)); done = s2 == L; t += 1; k += 1
        mem.append(T(s, a, 1. if done else 0., s2, float(done))); s = s2
        if len(mem) > 64 and k % 2 == 0:
            b = T(*zip(*random.sample(mem, 32)))
            with torch.no_grad():
                pick = q(one[list(b.s2)]).argmax(1, keepdim=True)
                y = torch.tensor(b.r) + .9 * qt(one[list(b.s2)]).gather(1, pick)[:, 0] * (1 - torch.tensor(b.d))
            loss = nn.functional.huber_loss(q(one[list(b.s)]).gather(1, torch.tensor(b.a)[:, None])[:, 0], y)
            opt.zero_grad(); loss.backward(); opt.step()
            with torch.no_grad():
                for p, pt in zip(q.parameters(), qt.parameters()):
                    pt.lerp_(p, 0.02)
est = q(one[:L]).max(1).values
print('error of the values: %.3f' % (est - .9 ** torch.arange(L - 1, -1, -1.)).abs().mean().item(), 'greedy right:', (q(one[:L]).argmax(1) == 1).sum().item(), 'of', L)
