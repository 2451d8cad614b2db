# healthy: decoder uses the transposed encoder weight (weight tying)
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

class Tied(nn.Module):
    def __init__(self, d=64, h=24):
        super().__init__()
        self.w = nn.Parameter(torch.empty(h, d)); nn.init.xavier_uniform_(self.w)
        self.b1, self.b2 = nn.Parameter(torch.zeros(h)), nn.Parameter(torch.zeros(d))
    def forward(self, x):
        return F.linear(torch.tanh(F.linear(x, self.w, self.b1)), self.w.t(), self.b2)

torch.manual_seed(0)
x = torch.tensor(load_digits().data, dtype=torch.float32) / 16
m = x[:1400].mean(0)
ae = Tied()
opt = torch.optim.Adam(ae.parameters(), 5e-3)
for _ in range(250):
    b = x[torch.randint(0, 1400, (128,))] - m
    loss = F.mse_loss(ae(b + 0.1 * torch.randn_like(b)), b)
    opt.zero_grad(); loss.backward(); opt.step()
t = x[1400:] - m
print("explained variance %.3f" % (1 - F.mse_loss(ae(t), t) / t.var()).item())
