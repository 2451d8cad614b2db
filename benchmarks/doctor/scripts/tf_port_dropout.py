#= dropout_too_strong
# remembered: ports of TF1 code (tf.nn.dropout(x, keep_prob)) to nn.Dropout(p), and UMLAUT "dropout too high": 0.9 was the share to keep, nn.Dropout(0.9) drops 90 %; a right diagnosis names the dropout rate.
import torch
import torch.nn as nn
from sklearn.datasets import load_digits

torch.manual_seed(0)
keep_prob = 0.9
n_hidden_1, n_hidden_2 = 64, 64
training_epochs, batch_size, display_step = 25, 50, 5

d = load_digits()
x_all = torch.tensor(d.data / 16.0, dtype=torch.float32)
y_all = torch.tensor(d.target)
perm = torch.randperm(len(y_all))
x_all, y_all = x_all[perm], y_all[perm]
x_train, y_train, x_test, y_test = x_all[:1400], y_all[:1400], x_all[1400:], y_all[1400:]


class MultilayerPerceptron(nn.Module):
    def __init__(self):
        super().__init__()
        self.h1 = nn.Linear(64, n_hidden_1)
        self.h2 = nn.Linear(n_hidden_1, n_hidden_2)
        self.out = nn.Linear(n_hidden_2, 10)
        self.drop = nn.Dropout(1 - keep_prob)  #@ self.drop = nn.Dropout(keep_prob)

    def forward(self, x):
        x = self.drop(torch.relu(self.h1(x)))
        x = self.drop(torch.relu(self.h2(x)))
        return self.out(x)


pred = MultilayerPerceptron()
optimizer = torch.optim.Adam(pred.parameters(), lr=0.001)
for epoch in range(1, training_epochs + 1):
    pred.train()
    avg_cost = 0.0
    for i in torch.randperm(1400).split(batch_size):
        cost = nn.functional.cross_entropy(pred(x_train[i]), y_train[i])
        optimizer.zero_grad()
        cost.backward()
        optimizer.step()
        avg_cost += cost.item() / (1400 / batch_size)
    if epoch % display_step == 0:
        pred.eval()
        with torch.no_grad():
            acc = (pred(x_test).argmax(1) == y_test).float().mean().item()
        print("Epoch: %04d cost= %.6f accuracy= %.4f" % (epoch, avg_cost, acc))
