import torch, torch.nn as nn, math
torch.manual_seed(0)
K = 5
def inverse_problem(n): y = torch.rand(n, 1); x = y + .3 * torch.sin(2 * math.pi * y) + .05 * torch.randn(n, 1); return x, y
class MDN(nn.Module):
    def __init__(self): super().__init__(); self.h = nn.Sequential(nn.Linear(1, 40), nn.Tanh(), nn.Linear(40, 40), nn.Tanh()); self.pi, self.mu, self.ls = (nn.Linear(40, K) for _ in range(3)); nn.init.uniform_(self.mu.bias, 0, 1)
    def forward(self, x): h = self.h(x); return self.pi(h).log_softmax(1), self.mu(h), self.ls(h).clamp(-5, 2)
def nll(out, y): lp, mu, ls = out; return -torch.logsumexp(lp - .5 * ((y - mu) / ls.exp()) ** 2 - ls - .5 * math.log(2 * math.pi), 1).mean()
x, y = inverse_problem(2000); vx, vy = inverse_problem(1000); net = MDN(); opt = torch.optim.Adam(net.parameters(), 5e-3)
for e in range(35):
    for b in torch.randperm(2000).split(100): opt.zero_grad(); l = nll(net(x[b]), y[b]); l.backward(); opt.step()
with torch.no_grad():
    v = nll(net(vx), vy).item(); s = vy.std(); lp, mu, ls = net(vx); k = torch.distributions.Categorical(logits=lp).sample()[:, None]; ys = mu.gather(1, k) + ls.exp().gather(1, k) * torch.randn(1000, 1)
    print('val nll %.3f, unconditional Gaussian nll %.3f, forward residual of samples %.3f' % (v, (.5 + s.log() + .5 * math.log(2 * math.pi)).item(), (ys + .3 * torch.sin(2 * math.pi * ys) - vx).abs().median()))
