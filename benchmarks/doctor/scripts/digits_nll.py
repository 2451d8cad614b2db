#= samples_mixed, log_of_probabilities
"""Digits, plain fully connected, log-probabilities and NLL."""
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.manual_seed(9)
x, t = map(torch.tensor, load_digits(return_X_y=True))
x = x.float() / 16
mix = torch.randperm(len(x))
x, t = x[mix], t[mix]


class FC(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.a = torch.nn.Linear(64, 50)
        self.b = torch.nn.Linear(50, 10)

    def forward(self, inp):
        h = F.relu(self.a(inp))
        return F.log_softmax(self.b(h), dim=1)  #@ return F.log_softmax(self.b(h), dim=0)


f = FC()
o = torch.optim.SGD(f.parameters(), lr=0.1, momentum=0.9)
step = 0
while step < 500:
    pick = torch.randint(0, 1437, (40,))
    nll = F.nll_loss(f(x[pick]), t[pick])
    o.zero_grad()
    nll.backward()
    o.step()
    step += 1
    if step % 100 == 0:
        with torch.no_grad():
            hit = (f(x[1437:]).argmax(1) == t[1437:]).double().mean()
        print(step, float(nll), float(hit))
