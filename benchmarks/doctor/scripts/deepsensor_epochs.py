#= optimizer_recreated
#: https://github.com/alan-turing-institute/deepsensor/issues/47 ; train_epoch instantiates the optimizer anew, so momentum and the second moments are thrown away at each call; diagnosis: keep one optimizer during the training.
import torch, torch.nn as nn
torch.manual_seed(0)
def terrain(p): return torch.sin(4 * p[:, :1]) * torch.cos(3 * p[:, 1:]) + .5 * p[:, :1] * p[:, 1:]
P = torch.rand(512, 2) * 2 - 1; Z = terrain(P) + .02 * torch.randn(512, 1)
Q = torch.rand(400, 2) * 2 - 1
class Interp(nn.Module):
    def __init__(self):
        super().__init__(); self.B = nn.Parameter(torch.randn(2, 24), requires_grad=False)
        self.mlp = nn.Sequential(nn.Linear(48, 48), nn.Tanh(), nn.Linear(48, 1))
    def forward(self, x): a = x @ self.B; return self.mlp(torch.cat([a.sin(), a.cos()], 1))
model = Interp(); opt = torch.optim.SGD(model.mlp.parameters(), lr=.02, momentum=.97)
def train_epoch(model, tasks, lr=.02):
    global opt
    #+ opt = torch.optim.SGD(model.mlp.parameters(), lr=lr, momentum=.97)
    tot = 0.
    for x, z in tasks:
        loss = ((model(x) - z) ** 2).mean(); opt.zero_grad(); loss.backward(); opt.step(); tot += loss.item()
    return tot / len(tasks)
for ep in range(150):
    i = torch.randperm(512); L = train_epoch(model, [(P[k], Z[k]) for k in i.split(171)])
    if ep % 30 == 29: print('epoch', ep + 1, 'loss %.5f' % L)
with torch.no_grad(): print('test rmse %.4f' % ((model(Q) - terrain(Q)) ** 2).mean().sqrt())
