#= eval_mode_in_training
#: https://mcklay.github.io/cnn-companion-book/chapter16 ; after the first validation the net is left in eval mode (train() only once before the loop), so dropout is off and the batch norm statistics stop; diagnosis: call model.train() in each epoch.
import torch, torch.nn as nn, torch.nn.functional as F
from sklearn.datasets import load_digits
torch.manual_seed(4)
D = load_digits()
x = torch.tensor(D.data).float(); t = torch.tensor(D.target)
perm = torch.randperm(1797); x, t = x[perm], t[perm]
xtr, ttr, xva, tva = x[:250], t[:250], x[250:], t[250:]
net = nn.Sequential(nn.BatchNorm1d(64), nn.Linear(64, 300), nn.BatchNorm1d(300), nn.ReLU(), nn.Dropout(.5),
                    nn.Linear(300, 300), nn.BatchNorm1d(300), nn.ReLU(), nn.Dropout(.5), nn.Linear(300, 10))
opt = torch.optim.SGD(net.parameters(), lr=.1, momentum=.9, nesterov=True)

def evaluate():
    net.eval()
    with torch.no_grad():
        o = net(xva)
    return F.cross_entropy(o, tva).item(), (o.argmax(1) == tva).float().mean().item()

print('before', evaluate())
net.train()
for ep in range(25):
    net.train()  #@ pass
    for b in torch.randperm(250).split(50):
        opt.zero_grad()
        F.cross_entropy(net(xtr[b] + .5 * torch.randn(len(b), 64)), ttr[b]).backward()
        opt.step()
    vl, va = evaluate()
    if ep % 6 == 0: print(ep, round(vl, 4), round(va, 4))
print(f'final val loss {vl:.4f} acc {va:.4f}')
