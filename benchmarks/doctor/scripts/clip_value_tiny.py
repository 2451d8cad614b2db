#= clipping_wrong, clip_dominated
"""Next value of two mixed waves with a GRU; gradients are clipped since a tutorial does so."""
import math

import torch
from torch import nn

torch.manual_seed(0)
t = torch.arange(0, 1200).float()
wave = torch.sin(2 * math.pi * t / 25) + 0.5 * torch.sin(2 * math.pi * t / 8) + 0.05 * torch.randn(1200)
windows = wave.unfold(0, 21, 1)
split = 900
x_train, y_train = windows[:split, :-1].unsqueeze(-1), windows[:split, -1:]
x_test, y_test = windows[split + 21 :, :-1].unsqueeze(-1), windows[split + 21 :, -1:]


class Forecaster(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.GRU(1, 24, batch_first=True)
        self.linear = nn.Linear(24, 1)

    def forward(self, series):
        _, last = self.rnn(series)
        return self.linear(last[-1])


net = Forecaster()
sgd = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
clip = 1.0  #@ clip = 0.0001
for epoch in range(12):
    for b in torch.randperm(split).split(30):
        sgd.zero_grad()
        loss = nn.functional.mse_loss(net(x_train[b]), y_train[b])
        loss.backward()
        nn.utils.clip_grad_value_(net.parameters(), clip)
        sgd.step()
    with torch.no_grad():
        print(epoch, "train", loss.item(), "test", nn.functional.mse_loss(net(x_test), y_test).item())
