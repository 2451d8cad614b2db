#= loss_detached
# PyTorch forum "element 0 of tensors does not require grad ... I wrapped the loss in Variable(requires_grad=True) and now it does not learn" (also IpsumDominum/Pytorch-Simple-Transformer#3): the loss is rebuilt from its number, no gradient reaches the model (grad is None); a right diagnosis says the graph is broken at the loss.
import torch
import torch.nn as nn
from torch.autograd import Variable
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

torch.manual_seed(0)
X, y = load_breast_cancer(return_X_y=True)
Xa, Xb, ya, yb = train_test_split(X, y, test_size=0.3, random_state=0, stratify=y)
sc = StandardScaler().fit(Xa)
Xa, Xb = torch.FloatTensor(sc.transform(Xa)), torch.FloatTensor(sc.transform(Xb))
ya, yb = torch.FloatTensor(ya), torch.FloatTensor(yb)


class LogReg(nn.Module):
    def __init__(self):
        super().__init__()
        self.l1 = nn.Linear(30, 16)
        self.l2 = nn.Linear(16, 1)

    def forward(self, x):
        return torch.sigmoid(self.l2(torch.tanh(self.l1(x)))).squeeze(1)


def my_loss(p, t):
    total = -(t * torch.log(p.clamp(min=1e-7)) + (1 - t) * torch.log((1 - p).clamp(min=1e-7))).mean()
    #+ total = Variable(total.data, requires_grad=True)
    return total


net = LogReg()
opt = torch.optim.Adam(net.parameters(), lr=5e-3)
for epoch in range(30):
    ep = 0.0
    for i in torch.randperm(len(Xa)).split(32):
        opt.zero_grad()
        loss = my_loss(net(Xa[i]), ya[i])
        loss.backward()
        opt.step()
        ep += loss.item() * len(i)
    if epoch % 5 == 4:
        with torch.no_grad():
            acc = ((net(Xb) > 0.5).float() == yb).float().mean().item()
        print("epoch", epoch + 1, "loss %.4f" % (ep / len(Xa)), "test acc %.4f" % acc)
