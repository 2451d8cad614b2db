#= positions_unused, inputs_unused, output_ignores_input
"""What is the longest run of ones in a row of bits? A GRU, of which one output is read."""
import torch
from torch import nn


class RunLength(nn.Module):
    def __init__(self, hidden=32):
        super().__init__()
        self.gru = nn.GRU(1, hidden, batch_first=True)
        self.answer = nn.Linear(hidden, 1)

    def forward(self, bits):
        out, _ = self.gru(bits.unsqueeze(-1))
        return self.answer(out[:, -1]).squeeze(-1)  #@ return self.answer(out[:, 0]).squeeze(-1)


def rows(n):
    bits = (torch.rand(n, 12) < 0.6).float()
    best = torch.zeros(n)
    current = torch.zeros(n)
    for t in range(12):
        current = (current + 1) * bits[:, t]
        best = torch.maximum(best, current)
    return bits, (best - 4) / 2


torch.manual_seed(0)
x, y = rows(1500)
x_val, y_val = rows(300)
net = RunLength()
optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
for epoch in range(15):
    for part in torch.randperm(1500).split(50):
        loss = nn.functional.mse_loss(net(x[part]), y[part])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 3 == 2:
        with torch.no_grad():
            print(epoch, loss.item(), nn.functional.mse_loss(net(x_val), y_val).item(), "variance", y_val.var().item())
