#= exploding_gradient, update_too_large
"""The adding problem (short) with a ReLU RNN that starts at the identity."""
import torch
from torch import nn

torch.manual_seed(0)
LENGTH, HIDDEN = 10, 48


def adding(n):
    values = torch.rand(n, LENGTH)
    marks = torch.zeros(n, LENGTH)
    half = LENGTH // 2
    first, second = torch.randint(0, half, (n,)), torch.randint(half, LENGTH, (n,))
    rows = torch.arange(n)
    marks[rows, first] = marks[rows, second] = 1
    return torch.stack([values, marks], 2), (values * marks).sum(1)


class Adder(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.RNN(2, HIDDEN, nonlinearity="relu", batch_first=True)
        self.readout = nn.Linear(HIDDEN, 1)
        with torch.no_grad():
            self.rnn.weight_hh_l0.copy_(torch.eye(HIDDEN))
            self.rnn.bias_hh_l0.zero_()
            self.rnn.bias_ih_l0.zero_()
            self.rnn.weight_ih_l0.normal_(std=0.1)

    def forward(self, x):
        return self.readout(self.rnn(x)[0][:, -1]).squeeze(-1)


model = Adder()
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
x_val, y_val = adding(500)
baseline = y_val.var().item()
for step in range(1, 601):
    x, y = adding(50)
    loss = nn.functional.mse_loss(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 0.5)  #@
    optimizer.step()
    if step % 100 == 0:
        with torch.no_grad():
            print(f"step {step} loss {loss.item():.4f} val {nn.functional.mse_loss(model(x_val), y_val).item():.4f} (variance {baseline:.4f})")
