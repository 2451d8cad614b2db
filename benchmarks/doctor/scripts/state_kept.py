#= samples_mixed
"""An LSTM that keeps its hidden state in self.hidden, as in old tutorials."""
import torch
import torch.nn as nn

torch.manual_seed(0)
T = 16
t = torch.arange(T + 1).float()
freq = torch.rand(1024, 1) * 0.5 + 0.2
phase = torch.rand(1024, 1) * 6.28
level = torch.randn(1024, 1)
waves = level + torch.sin(freq * t + phase)
x, y = waves[:, :T].unsqueeze(-1), waves[:, T:]


class LSTMModel(nn.Module):
    def __init__(self, hidden_size=32, batch_size=64):
        super().__init__()
        self.hidden_size, self.batch_size = hidden_size, batch_size
        self.lstm = nn.LSTM(1, hidden_size, batch_first=True)
        self.linear = nn.Linear(hidden_size, 1)
        self.hidden = self.init_hidden()

    def init_hidden(self):
        return (torch.zeros(1, self.batch_size, self.hidden_size), torch.zeros(1, self.batch_size, self.hidden_size))

    def forward(self, seq):
        out, self.hidden = self.lstm(seq, self.hidden)
        return self.linear(out[:, -1])


model = LSTMModel()
loss_fn = nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
for epoch in range(15):
    for idx in torch.randperm(960).split(64):
        model.zero_grad()
        model.hidden = model.init_hidden()  #@ model.hidden = tuple(h.detach() for h in model.hidden)
        loss = loss_fn(model(x[idx]), y[idx])
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        model.hidden = model.init_hidden()
        print(epoch, loss.item(), loss_fn(model(x[960:]), y[960:]).item())
