#= loss_broadcasts
#: https://github.com/mahmoodlab/PathomicFusion/pull/9 the censor tensor stays (N,1) and multiplies an (N,) vector, so the Cox loss becomes an N x N outer product that every patient shares; a right diagnosis says flatten the censor/event tensor.
# pathology-like fusion of two feature sources for survival, risk-matrix Cox loss
import torch, torch.nn as nn, torch.nn.functional as F
torch.manual_seed(2021)
G = torch.Generator().manual_seed(1)
N = 1200
omic, img = torch.randn(N, 12, generator=G), torch.randn(N, 16, generator=G)
true = 1.0 * omic[:, 0] - 0.7 * omic[:, 1] + 0.8 * torch.tanh(img[:, 0] * img[:, 1])
ts = torch.distributions.Exponential(0.1 * true.exp()).sample()
tc = torch.distributions.Exponential(0.12 * (1.8 * omic[:, 2]).exp()).sample()
survtime, observed = torch.minimum(ts, tc), (ts <= tc).float().unsqueeze(1)
tr, te = torch.arange(900), torch.arange(900, N)

class Fusion(nn.Module):
    def __init__(self, d=12):
        super().__init__()
        self.o, self.i = nn.Sequential(nn.Linear(12, 24), nn.ELU(), nn.Linear(24, d)), nn.Sequential(nn.Linear(16, 24), nn.ELU(), nn.Linear(24, d))
        self.g1, self.g2 = nn.Linear(2 * d, d), nn.Linear(2 * d, d)
        self.head = nn.Linear(2 * d, 1)
    def forward(self, o, i):
        a, b = self.o(o), self.i(i); c = torch.cat([a, b], 1)
        return self.head(torch.cat([a * torch.sigmoid(self.g1(c)), b * torch.sigmoid(self.g2(c))], 1))

def CoxLoss(survtime, observed, hazard_pred):
    R_mat = (survtime[None, :] >= survtime[:, None]).float()
    theta = hazard_pred.reshape(-1)
    exp_theta = torch.exp(theta)
    observed = observed.reshape(-1)  #@
    return -torch.mean((theta - torch.log((exp_theta * R_mat).sum(1))) * observed)

def cindex(h, t, e):
    m = (t[:, None] < t[None]) & (e.reshape(-1, 1) > 0)
    return (h[:, None] > h[None])[m].float().mean().item()

model = Fusion()
opt = torch.optim.Adam(model.parameters(), lr=2e-3, betas=(0.9, 0.999), weight_decay=4e-4)
sched = torch.optim.lr_scheduler.LambdaLR(opt, lambda ep: 1.0 - max(0, ep - 10) / 21)
for ep in range(20):
    model.train(); acc = 0
    for b in tr[torch.randperm(900)].split(90):
        loss = CoxLoss(survtime[b], observed[b], model(omic[b], img[b]))
        loss = loss + 3e-5 * sum(w.abs().sum() for w in model.parameters())
        opt.zero_grad(); loss.backward(); opt.step(); acc += loss.item()
    sched.step()
    if ep % 5 == 4: print("epoch", ep, "loss", round(acc / 10, 4))
model.eval()
with torch.no_grad(): print(f"test c-index {cindex(model(omic[te], img[te]).reshape(-1), survtime[te], observed[te]):.3f}")
