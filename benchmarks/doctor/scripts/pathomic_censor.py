#= loss_broadcasts
# https://github.com/mahmoodlab/PathomicFusion/pull/9 - censor is (n,1) and theta terms are (n,), the product broadcasts to (n,n) and every subject counts as if it had an event; right: squeeze the censor column.
import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import TensorDataset, DataLoader
torch.manual_seed(99); np.random.seed(99)

n = 900
genes = np.random.randn(n, 12).astype('float32')
eta = 1.1 * genes[:, 0] - genes[:, 1] + .7 * genes[:, 2]
survtime = np.random.weibull(1.4, n) * np.exp(-eta)
drop = 0.05 + 3.0 * np.random.rand(n) * np.exp(1.6 * genes[:, 3] - 1.0)     # drop-out hangs on a nuisance gene
observed = (survtime <= drop).astype('float32')
survtime = np.minimum(survtime, drop).astype('float32')
ds = TensorDataset(torch.tensor(genes), torch.tensor(observed)[:, None], torch.tensor(survtime))
train, test = torch.utils.data.random_split(ds, [650, 250])

def CoxLoss(survtime, censor, hazard_pred):
    R_mat = (survtime[None, :] >= survtime[:, None]).float()
    theta = hazard_pred.reshape(-1)
    exp_theta = torch.exp(theta)
    censor = censor.reshape(-1)  #@
    return -torch.mean((theta - torch.log(torch.sum(exp_theta * R_mat, dim=1))) * censor)

net = nn.Sequential(nn.Linear(12, 24), nn.ELU(), nn.Linear(24, 1))
opt = torch.optim.Adam(net.parameters(), lr=3e-3, weight_decay=1e-4)
for epoch in range(30):
    for g, c, s in DataLoader(train, batch_size=130, shuffle=True):
        loss = CoxLoss(s, c, net(g))
        opt.zero_grad(); loss.backward(); opt.step()

G = torch.stack([t[0] for t in test])
h = net(G).detach().squeeze().numpy()
true = (1.1 * G[:, 0] - G[:, 1] + .7 * G[:, 2]).numpy()
print('correlation of predicted and true log hazard: %.3f' % np.corrcoef(h, true)[0, 1])
