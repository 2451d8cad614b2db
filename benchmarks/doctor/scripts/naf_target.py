#= formula_wrong
#: https://github.com/ikostrikov/pytorch-ddpg-naf/issues/16 ; target is r + gamma*mask + V(s') instead of r + gamma*mask*V(s'), so terminal states bootstrap and values drift; diagnosis: wrong Bellman target.
import torch, torch.nn as nn, numpy as np
torch.manual_seed(1); np.random.seed(1)
class NAF(nn.Module):
    def __init__(self, h=48):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(2, h), nn.Tanh(), nn.Linear(h, h), nn.Tanh())
        self.V, self.mu, self.L = nn.Linear(h, 1), nn.Linear(h, 1), nn.Linear(h, 1)
    def forward(self, s, u=None):
        z = self.body(s); V = self.V(z); mu = torch.tanh(self.mu(z)); P = torch.exp(2 * self.L(z))
        Q = None if u is None else V - .5 * P * (u - mu) ** 2
        return mu, Q, V
def env_step(s, u):
    x, v = s
    v = .8 * v + .3 * u; x = x + v
    r = 1 - .3 * x ** 2 - .05 * u ** 2
    return np.array([x, v]), r, abs(x) > 3
gamma, tau = .9, .05
net, tgt = NAF(), NAF(); tgt.load_state_dict(net.state_dict())
opt = torch.optim.Adam(net.parameters(), lr=2e-3); buf = []
def update(batch):
    S, U, R, M, S2 = [torch.tensor(np.array(z), dtype=torch.float32) for z in zip(*batch)]
    U, R, M = U[:, None], R[:, None], M[:, None]
    with torch.no_grad():
        next_v = tgt(S2)[2]
        expected = R + gamma * M * next_v  #@ expected = R + (gamma * M + next_v)
    loss = nn.functional.mse_loss(net(S, U)[1], expected)
    opt.zero_grad(); loss.backward(); nn.utils.clip_grad_norm_(net.parameters(), 1.); opt.step()
    with torch.no_grad():
        for a, b in zip(tgt.parameters(), net.parameters()): a.lerp_(b, tau)
    return loss.item()
losses = []
for ep in range(70):
    s = np.array([np.random.uniform(-2, 2), 0.])
    for t in range(25):
        with torch.no_grad(): u = net(torch.tensor(s[None], dtype=torch.float32))[0].item()
        u = float(np.clip(u + np.random.randn() * .4, -1, 1))
        s2, r, d = env_step(s, u); buf.append((s, u, r, 0. if d else 1., s2)); s = s2
        if len(buf) > 128: losses.append(update([buf[i] for i in np.random.randint(len(buf), size=64)]))
        if d: break
rets = []
for x0 in np.linspace(-2, 2, 9):
    s, R = np.array([x0, 0.]), 0
    for t in range(25):
        with torch.no_grad(): u = net(torch.tensor(s[None], dtype=torch.float32))[0].item()
        s, r, d = env_step(s, u); R += r
        if d: break
    rets.append(R)
print('mean eval return %.2f  last critic loss %.3f  V(0) %.2f' % (np.mean(rets), np.mean(losses[-100:]), net(torch.zeros(1, 2))[2].item()))
