#= samples_mixed
#: view used to swap batch and time axis: samples are mixed inside the batch
"""Human activity style sensor windows, LSTM in (seq, batch, feature) order."""
import numpy as np
import torch
from torch import nn, optim

torch.manual_seed(7)
rng = np.random.RandomState(7)


def get_windows(n, steps=30, channels=6):
    y = rng.randint(0, 4, n)
    tt = np.linspace(0, 1, steps)[None, :, None]
    freq = (1 + y)[:, None, None] * 2.0
    phase = rng.rand(n, 1, channels) * 2 * np.pi
    x = np.sin(2 * np.pi * freq * tt + phase) + rng.randn(n, steps, channels) * 0.4
    return torch.from_numpy(x).float(), torch.from_numpy(y).long()


class LSTMNet(nn.Module):
    def __init__(self, input_dim, hidden_dim, n_classes):
        super(LSTMNet, self).__init__()
        self.hidden_dim = hidden_dim
        self.lstm = nn.LSTM(input_dim, hidden_dim)
        self.hidden2label = nn.Linear(hidden_dim, n_classes)

    def forward(self, batch):
        bs, steps, feats = batch.size()
        x = batch.transpose(0, 1)  #@ x = batch.view(steps, bs, feats)
        lstm_out, (h_n, c_n) = self.lstm(x)
        return self.hidden2label(h_n[-1])


X_train, y_train = get_windows(900)
X_val, y_val = get_windows(300)
net = LSTMNet(6, 40, 4)
crit = nn.CrossEntropyLoss()
optimizer = optim.Adam(net.parameters(), lr=0.005)
batch_size = 50
for epoch in range(12):
    net.train()
    order = np.random.RandomState(epoch).permutation(len(X_train))
    losses = []
    for b in range(0, len(order), batch_size):
        sel = order[b:b + batch_size]
        net.zero_grad()
        out = net(X_train[sel])
        loss = crit(out, y_train[sel])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    net.eval()
    correct = 0
    with torch.no_grad():
        for b in range(0, 300, batch_size):
            correct += (net(X_val[b:b + batch_size]).argmax(1) == y_val[b:b + batch_size]).sum().item()
    print("Epoch %d  loss %.3f  val acc %.1f%%" % (epoch, np.mean(losses), 100.0 * correct / 300))
