# Mult-VAE for implicit feedback: multinomial likelihood, KL annealing to a cap, fold-in evaluation on unseen users
import torch, torch.nn as nn, torch.nn.functional as F
torch.manual_seed(98765); g = torch.Generator().manual_seed(3)
N, I, K = 1200, 150, 6
theta = torch.distributions.Dirichlet(torch.full((K,), 0.2)).sample((N,)); beta = torch.distributions.Dirichlet(torch.full((I,), 0.08)).sample((K,))
p = theta @ beta + 1e-5
R = torch.zeros(N, I).scatter_(1, torch.multinomial(p, 14, replacement=False, generator=g), 1.0)
tr, te = R[:1000], R[1000:]
class MultiVAE(nn.Module):
    def __init__(self, q=(I, 64, 16), drop=0.5):
        super().__init__()
        self.q1, self.q2 = nn.Linear(q[0], q[1]), nn.Linear(q[1], 2 * q[2])
        self.p1, self.p2, self.drop = nn.Linear(q[2], q[1]), nn.Linear(q[1], q[0]), nn.Dropout(drop)
        for m in self.children():
            if isinstance(m, nn.Linear): nn.init.xavier_normal_(m.weight); nn.init.normal_(m.bias, 0, 0.001)
    def forward(self, x):
        mu, lv = self.q2(torch.tanh(self.q1(self.drop(F.normalize(x))))).chunk(2, 1)
        z = mu + torch.randn_like(mu) * torch.exp(0.5 * lv) if self.training else mu
        return self.p2(torch.tanh(self.p1(z))), mu, lv
net = MultiVAE(); opt = torch.optim.Adam(net.parameters(), lr=3e-3, weight_decay=0.0)
updates, total_anneal, cap = 0, 400, 0.2
for ep in range(40):
    net.train()
    for b in torch.randperm(1000).split(100):
        anneal = min(cap, updates / total_anneal)
        logits, mu, lv = net(tr[b])
        nll = -(F.log_softmax(logits, 1) * tr[b]).sum(1).mean()
        kld = -0.5 * (1 + lv - mu.pow(2) - lv.exp()).sum(1).mean()
        loss = nll + anneal * kld
        opt.zero_grad(); loss.backward(); opt.step(); updates += 1
net.eval()
with torch.no_grad():
    noise = torch.rand(te.shape, generator=g) * te
    hold = torch.zeros_like(te).scatter_(1, noise.topk(3, 1).indices, 1.0)
    fold = te - hold
    s = net(fold)[0].masked_fill(fold > 0, -1e9); top = s.topk(20, 1).indices
    rec = hold.gather(1, top).sum(1).div(3).mean()
    pop = tr.sum(0).expand_as(te).masked_fill(fold > 0, -1).topk(20, 1).indices
print(f"nll {nll:.2f} kl {kld:.2f} recall@20 {rec:.3f} popularity {hold.gather(1, pop).sum(1).div(3).mean():.3f}")
