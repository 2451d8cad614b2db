#= labels_unfit
# https://github.com/thu-ml/tianshou/issues/309 - the action mask is applied when acting but not to the next state's max in the TD target, so untrained illegal actions set the target; right: mask obs_next as well.
import numpy as np, torch, torch.nn as nn
rng = np.random.default_rng(1); torch.manual_seed(1)

N, A = 10, 6
LEGAL = np.zeros((N, A), bool)
for s in range(N):
    LEGAL[s, rng.choice(A, 2, replace=False)] = True
MOVE = {(s, a): (s + 1 if i == 1 else max(s - 1, 0)) for s in range(N) for i, a in enumerate(np.where(LEGAL[s])[0])}

def onehot(s):
    v = np.zeros(N, np.float32); v[s] = 1; return v

net = nn.Sequential(nn.Linear(N, 48), nn.ReLU(), nn.Linear(48, A))
with torch.no_grad(): net[2].bias += 3.0
old = nn.Sequential(nn.Linear(N, 48), nn.ReLU(), nn.Linear(48, A)); old.load_state_dict(net.state_dict())
optim = torch.optim.Adam(net.parameters(), lr=3e-3)
buf = []

def policy(s, eps):
    if rng.random() < eps: return int(rng.choice(np.where(LEGAL[s])[0]))
    with torch.no_grad(): q = net(torch.from_numpy(onehot(s))).numpy()
    q[~LEGAL[s]] = -np.inf
    return int(q.argmax())

def target_q(rew, s2, done):
    with torch.no_grad():
        q = old(torch.from_numpy(np.stack([onehot(s) for s in s2])))
        q = q.masked_fill(~torch.from_numpy(LEGAL[s2]), -1e9)  #@
        return rew + 0.9 * q.max(1).values * (1 - done)

for ep in range(90):
    s = 0
    for t in range(40):
        a = policy(s, max(.2, 1 - ep / 50)); s2 = MOVE[s, a]
        end = s2 == N
        buf.append((s, a, 1.0 if end else 0.0, s2 % N, float(end)))
        s = s2
        if t % 4 == 0 and len(buf) > 64:
            S, Ac, R, S2, D = (np.array(z) for z in zip(*[buf[i] for i in rng.integers(0, len(buf), 48)]))
            y = target_q(torch.tensor(R, dtype=torch.float32), S2, torch.tensor(D, dtype=torch.float32))
            q = net(torch.from_numpy(np.stack([onehot(x) for x in S])))[torch.arange(48), torch.from_numpy(Ac)]
            loss = nn.functional.mse_loss(q, y)
            optim.zero_grad(); loss.backward(); optim.step()
        if end: break
    if ep % 3 == 0: old.load_state_dict(net.state_dict())
with torch.no_grad(): q = net(torch.eye(N)).numpy()
est = np.where(LEGAL, q, -np.inf).max(1)
print('estimated best values', est.round(2)); print('mean error against the exact values %.3f' % np.abs(est - .9 ** np.arange(N - 1, -1, -1)).mean())
