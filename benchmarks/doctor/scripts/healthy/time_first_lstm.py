"""nn.LSTM without batch_first, fed (time, batch, features) as it wants."""
import torch
from torch import nn

torch.manual_seed(3)
x = torch.randn(600, 15, 2).cumsum(1) / 4
y = (x[:, :, 0].max(1).values > x[:, :, 1].max(1).values).long()


class Which(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(2, 24)
        self.linear = nn.Linear(24, 2)

    def forward(self, batch):
        out, _ = self.lstm(batch.transpose(0, 1))
        return self.linear(out[-1])


model = Which()
opt = torch.optim.Adam(model.parameters(), lr=0.01)
for epoch in range(20):
    for b in torch.randperm(500).split(25):
        loss = nn.functional.cross_entropy(model(x[b]), y[b])
        opt.zero_grad()
        loss.backward()
        opt.step()
    if epoch % 5 == 4:
        print(epoch, loss.item(), (model(x[500:]).argmax(1) == y[500:]).float().mean().item())
