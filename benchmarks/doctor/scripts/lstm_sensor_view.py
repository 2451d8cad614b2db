#= samples_mixed
#: input is view()ed from (batch, seq, feat) to (seq, batch, feat) instead of transposed, so samples are mixed up
"""Activity recognition from 3-axis accelerometer windows with an LSTM."""
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(17)
np.random.seed(17)

SEQ_LEN = 40
N_FEAT = 3
CLASSES = ["walk", "run", "sit", "stairs"]
BATCH = 64


def make_windows(n):
    X = np.zeros((n, SEQ_LEN, N_FEAT), dtype=np.float32)
    y = np.random.randint(0, len(CLASSES), n)
    t = np.arange(SEQ_LEN) / 20.0
    for i in range(n):
        phase = np.random.rand() * 2 * np.pi
        f, a = [(1.6, 0.6), (2.9, 1.3), (0.2, 0.1), (1.4, 0.9)][y[i]]
        X[i, :, 0] = a * np.sin(2 * np.pi * f * t + phase)
        X[i, :, 1] = 0.5 * a * np.cos(4 * np.pi * f * t + phase)
        X[i, :, 2] = 0.3 * (y[i] == 3) * t + 0.2 * np.sin(2 * np.pi * f * t)
        X[i] += 0.25 * np.random.randn(SEQ_LEN, N_FEAT)
    return torch.from_numpy(X), torch.from_numpy(y)


class LSTMClassifier(nn.Module):
    def __init__(self, in_dim, hidden_dim, layers, n_classes):
        super(LSTMClassifier, self).__init__()
        self.hidden_dim = hidden_dim
        self.layers = layers
        self.lstm = nn.LSTM(in_dim, hidden_dim, layers)
        self.out = nn.Linear(hidden_dim, n_classes)

    def init_hidden(self, batch):
        return (torch.zeros(self.layers, batch, self.hidden_dim),
                torch.zeros(self.layers, batch, self.hidden_dim))

    def forward(self, x):
        batch = x.size(0)
        # nn.LSTM wants (seq_len, batch, input_size)
        x = x.permute(1, 0, 2)  #@ x = x.view(SEQ_LEN, batch, N_FEAT)
        lstm_out, _ = self.lstm(x, self.init_hidden(batch))
        return self.out(lstm_out[-1])


x_train, y_train = make_windows(1600)
x_test, y_test = make_windows(400)

model = LSTMClassifier(N_FEAT, 32, 1, len(CLASSES))
loss_function = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)

for epoch in range(12):
    model.train()
    perm = torch.randperm(len(x_train))
    total = 0.0
    for i in range(0, len(x_train), BATCH):
        idx = perm[i:i + BATCH]
        optimizer.zero_grad()
        scores = model(x_train[idx])
        loss = loss_function(scores, y_train[idx])
        loss.backward()
        optimizer.step()
        total += loss.item() * len(idx)

    model.eval()
    correct = 0
    with torch.no_grad():
        for i in range(0, len(x_test), BATCH):
            pred = model(x_test[i:i + BATCH]).max(1)[1]
            correct += (pred == y_test[i:i + BATCH]).sum().item()
    print("Epoch %d | loss %.4f | test acc %.3f" % (epoch + 1, total / len(x_train), correct / len(x_test)))
