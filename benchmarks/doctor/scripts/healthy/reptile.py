# after OpenAI's "simple sine wave" reptile gist
import numpy as np, torch
from torch import nn
from copy import deepcopy
rng = np.random.RandomState(0); torch.manual_seed(0)
x_all = np.linspace(-5, 5, 50)[:, None]; ntrain = 10
def gen_task():
    ph, am = rng.uniform(0, 2 * np.pi), rng.uniform(.1, 5); return lambda x: np.sin(x + ph) * am
model = nn.Sequential(nn.Linear(1, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1))
tt = lambda x: torch.tensor(x, dtype=torch.float32)
def train_on_batch(x, y, lr=.02):
    x, y = tt(x), tt(y); model.zero_grad(); loss = (model(x) - y).pow(2).mean(); loss.backward()
    for p in model.parameters(): p.data -= lr * p.grad.data
def predict(x): return model(tt(x)).data.numpy()
def test(n=25, steps=32):
    r = np.random.RandomState(5); e = []
    for _ in range(n):
        ph, am = r.uniform(0, 2 * np.pi), r.uniform(.1, 5); f = lambda x: np.sin(x + ph) * am; xt = x_all[r.choice(50, ntrain)]; w = deepcopy(model.state_dict())
        for _ in range(steps): train_on_batch(xt, f(xt))
        e.append(((predict(x_all) - f(x_all)) ** 2).mean()); model.load_state_dict(w)
    return np.mean(e)
e0 = test()
N = 3000
for it in range(N):
    before = deepcopy(model.state_dict()); f = gen_task(); y = f(x_all); ind = rng.permutation(50)
    for start in range(0, 50, ntrain): m = ind[start:start + ntrain]; train_on_batch(x_all[m], y[m])
    after = model.state_dict(); step = .1 * (1 - it / N)
    model.load_state_dict({k: before[k] + (after[k] - before[k]) * step for k in before})
print('error after adaptation on new tasks: untrained init %.3f, reptile init %.3f' % (e0, test()))
