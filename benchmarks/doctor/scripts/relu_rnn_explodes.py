#= exploding_gradient, poor_init
"""Add the two marked numbers of a long row."""
import torch
import torch.nn as nn

torch.manual_seed(0)


def batch(n, length=40):
    values = torch.rand(n, length)
    marks = torch.zeros(n, length)
    marks[torch.arange(n), torch.randint(0, length // 2, (n,))] = 1
    marks[torch.arange(n), torch.randint(length // 2, length, (n,))] = 1
    return torch.stack([values, marks], 2), (values * marks).sum(1, keepdim=True)


class AdditionRNN(nn.Module):
    def __init__(self, hidden=48):
        super().__init__()
        self.rnn = nn.RNN(2, hidden, nonlinearity="relu", batch_first=True)
        nn.init.eye_(self.rnn.weight_hh_l0)  #@ nn.init.normal_(self.rnn.weight_hh_l0, std=0.3)
        self.readout = nn.Linear(hidden, 1)

    def forward(self, x):
        return self.readout(self.rnn(x)[0][:, -1])


net = AdditionRNN()
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
mse = nn.MSELoss()
for step in range(400):
    x, y = batch(32)
    loss = mse(net(x), y)
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    optimizer.step()
    if step % 80 == 79:
        print(step, loss.item())
