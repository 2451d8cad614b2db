#= loss_broadcasts
#: https://github.com/thu-ml/tianshou/issues/40 ; log_prob keeps shape (B, A) instead of (B, 1), so the soft target broadcasts to (B, A) and the critic and entropy terms are wrong; diagnosis: sum log_prob over the action axis.
import warnings; warnings.filterwarnings('ignore')
import torch, torch.nn as nn, torch.nn.functional as F
from torch.distributions import Normal
torch.manual_seed(0)
A, GOAL = 6, torch.tensor([.6, -.5, .2, -.7, .4, 0.])
def mlp(i, o): return nn.Sequential(nn.Linear(i, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, o))
class Actor(nn.Module):
    def __init__(self):
        super().__init__(); self.net = mlp(2, 2 * A)
    def forward(self, s):
        mu, ls = self.net(s).chunk(2, -1)
        d = Normal(mu, ls.clamp(-4, 1).exp())
        x = d.rsample(); y = torch.tanh(x)
        logp = d.log_prob(x) - torch.log(1 - y.pow(2) + 1e-6)
        logp = logp.sum(-1, keepdim=True)  #@ pass
        return y, logp, torch.tanh(mu)
actor, q1, q2 = Actor(), mlp(2 + A, 1), mlp(2 + A, 1)
t1, t2 = mlp(2 + A, 1), mlp(2 + A, 1); t1.load_state_dict(q1.state_dict()); t2.load_state_dict(q2.state_dict())
log_alpha = torch.tensor(-1.5, requires_grad=True)
oa = torch.optim.Adam(actor.parameters(), 1e-3); oq = torch.optim.Adam([*q1.parameters(), *q2.parameters()], 1e-3); oal = torch.optim.Adam([log_alpha], 3e-3)
def reward(s, a): return -((a - GOAL * s[:, :1]) ** 2).sum(1, keepdim=True)
cat = lambda s, a: torch.cat([s, a], 1)
S = torch.rand(64, 2) * 2 - 1
mem = []
for it in range(700):
    with torch.no_grad(): a, _, _ = actor(S)
    r = reward(S, a); S2 = torch.rand(64, 2) * 2 - 1
    mem.append((S, a, r, S2)); mem = mem[-60:]; S = S2
    s, a, r, s2 = (torch.cat(z)[:, :] for z in zip(*[mem[i] for i in torch.randint(len(mem), (2,))]))
    al = log_alpha.exp().detach()
    with torch.no_grad():
        a2, lp2, _ = actor(s2)
        y = r + .5 * (torch.min(t1(cat(s2, a2)), t2(cat(s2, a2))) - al * lp2)
    lq = F.mse_loss(q1(cat(s, a)), y) + F.mse_loss(q2(cat(s, a)), y)
    oq.zero_grad(); lq.backward(); oq.step()
    an, lp, _ = actor(s)
    la = (al * lp - torch.min(q1(cat(s, an)), q2(cat(s, an)))).mean()
    oa.zero_grad(); la.backward(); oa.step()
    lt = -(log_alpha.exp() * (lp.detach() - A)).mean()
    oal.zero_grad(); lt.backward(); oal.step()
    with torch.no_grad():
        for p, t in zip([*q1.parameters(), *q2.parameters()], [*t1.parameters(), *t2.parameters()]): t.lerp_(p, .02)
with torch.no_grad():
    s = torch.rand(500, 2) * 2 - 1; _, lp, m = actor(s)
    print('deterministic return %.4f entropy %.2f (target %d) alpha %.4f critic loss %.4f' % (reward(s, m).mean(), -lp.sum(1).mean(), -A, log_alpha.exp(), lq))
