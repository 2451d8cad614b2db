#= not_in_optimizer
#: https://github.com/ifzhang/FairMOT/issues/19 ; the learnable log-variances live in the loss module, whose parameters are never handed to the optimizer, so the task weights stay at their start; diagnosis: add the loss parameters to the optimizer.
import torch, torch.nn as nn, numpy as np
from sklearn.datasets import load_diabetes
from sklearn.preprocessing import StandardScaler
torch.manual_seed(0); rs = np.random.RandomState(0)
Xn = rs.randn(1500, 12).astype('f'); W = rs.randn(12, 3)
z = np.tanh(Xn @ W * .6)
y_det = (40. * z[:, :1] * z[:, 1:2] + 4 * rs.randn(1500, 1)).astype('f'); y_id = (z[:, 1] + .8 * z[:, 2] * z[:, 0] > 0).astype('int64')
X, D, I = torch.tensor(Xn), torch.tensor(y_det), torch.tensor(y_id)
class MultiLoss(nn.Module):
    def __init__(self):
        super().__init__(); self.s_det = nn.Parameter(torch.zeros(1)); self.s_id = nn.Parameter(torch.zeros(1))
    def forward(self, pd, pi, d, i):
        ld = ((pd - d) ** 2).mean(); li = nn.functional.cross_entropy(pi, i)
        return (torch.exp(-self.s_det) * .5 * ld + .5 * self.s_det + torch.exp(-self.s_id) * li + .5 * self.s_id).squeeze(), ld, li
class Net(nn.Module):
    def __init__(self):
        super().__init__(); self.trunk = nn.Sequential(nn.Linear(12, 48), nn.ReLU(), nn.Linear(48, 32), nn.ReLU()); self.det, self.idh = nn.Linear(32, 1), nn.Linear(32, 2)
    def forward(self, x): h = self.trunk(x); return 20 * self.det(h), self.idh(h)
model, crit = Net(), MultiLoss()
params = list(model.parameters())
params = [{'params': params, 'lr': 3e-2}, {'params': crit.parameters(), 'lr': 3e-2}]  #@ params = [{'params': params, 'lr': 3e-2}]
opt = torch.optim.SGD(params, momentum=.9)
for ep in range(40):
    for b in torch.randperm(1100).split(50):
        loss, ld, li = crit(*model(X[b]), D[b], I[b]); opt.zero_grad(); loss.backward(); nn.utils.clip_grad_norm_([q for gr in opt.param_groups for q in gr['params']], 1.); opt.step()
with torch.no_grad():
    pd, pi = model(X[1100:]); r2 = 1 - ((pd - D[1100:]) ** 2).mean() / D[1100:].var(); acc = (pi.argmax(1) == I[1100:]).float().mean()
print('det r2 %.3f id acc %.3f id loss %.3f s_det %.2f s_id %.2f' % (r2, acc, nn.functional.cross_entropy(pi, I[1100:]), crit.s_det.item(), crit.s_id.item()))
