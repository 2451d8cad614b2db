"""Two heads: a softmax whose logarithm goes into NLL, and a sigmoid that goes into BCE."""
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn

torch.manual_seed(1)
x, y = load_digits(return_X_y=True)
x, y = torch.tensor(x / 16).float(), torch.tensor(y)
odd = (y % 2).float().unsqueeze(1)


class TwoHeads(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Linear(64, 64)
        self.digit = nn.Linear(64, 10)
        self.parity = nn.Linear(64, 1)

    def forward(self, v):
        h = F.relu(self.trunk(v))
        return F.softmax(self.digit(h), dim=-1), torch.sigmoid(self.parity(h))


m = TwoHeads()
o = torch.optim.Adam(m.parameters(), 2e-3)
for epoch in range(15):
    for b in torch.randperm(1500).split(50):
        p_digit, p_odd = m(x[b])
        loss = F.nll_loss(torch.log(p_digit + 1e-8), y[b]) + F.binary_cross_entropy(p_odd, odd[b])
        o.zero_grad()
        loss.backward()
        o.step()
    if epoch % 5 == 4:
        with torch.no_grad():
            p_digit, p_odd = m(x[1500:])
        print(epoch, loss.item(), (p_digit.argmax(1) == y[1500:]).float().mean().item(),
              ((p_odd > 0.5) == (odd[1500:] > 0.5)).float().mean().item())
