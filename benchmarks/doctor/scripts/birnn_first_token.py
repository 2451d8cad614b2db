#= gradient_zero, samples_missing
# https://github.com/yunjey/pytorch-tutorial/pull/174 - out[:, -1] of a bidirectional LSTM holds only one step of the backward direction; right: forward state at the end joined with the backward state at the start (h_n).
import torch
import torch.nn as nn

torch.manual_seed(0)
sequence_length, input_size, hidden_size, num_classes = 40, 6, 24, 6
batch_size, num_epochs, learning_rate = 64, 8, 0.005


def data(n):
    x = torch.randn(n, sequence_length, input_size) * 0.6
    y = torch.randint(num_classes, (n,))
    x[torch.arange(n), 0, y] += 3.0            # the class is named at the very start
    return x, y


class BiRNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden_size = hidden_size
        self.lstm = nn.LSTM(input_size, hidden_size, 1, batch_first=True, bidirectional=True)
        self.fc = nn.Linear(hidden_size * 2, num_classes)

    def forward(self, x):
        h0 = torch.zeros(2, x.size(0), self.hidden_size)
        c0 = torch.zeros(2, x.size(0), self.hidden_size)
        out, _ = self.lstm(x, (h0, c0))
        h = self.hidden_size
        out = torch.cat([out[:, -1, :h], out[:, 0, h:]], dim=1)  #@ out = out[:, -1, :]
        return self.fc(out)


xs, ys = data(1200)
xt, yt = data(400)
model = BiRNN()
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
for epoch in range(num_epochs):
    perm = torch.randperm(len(xs))
    for i in range(0, len(xs), batch_size):
        j = perm[i:i + batch_size]
        loss = criterion(model(xs[j]), ys[j])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
with torch.no_grad():
    acc = (model(xt).argmax(1) == yt).float().mean().item()
print(f'Test accuracy {100 * acc:.1f} %')
