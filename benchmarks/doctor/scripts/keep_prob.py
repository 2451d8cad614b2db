#= dropout_too_strong
"""Ported from TensorFlow 1: keep_prob was 0.95."""
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.manual_seed(0)
dig = load_digits()
x_all = torch.tensor(dig.data, dtype=torch.float) / 16
y_all = torch.tensor(dig.target)

w1 = torch.nn.Parameter(torch.randn(64, 100) * (2 / 64) ** 0.5)
b1 = torch.nn.Parameter(torch.zeros(100))
w2 = torch.nn.Parameter(torch.randn(100, 10) * (1 / 100) ** 0.5)
b2 = torch.nn.Parameter(torch.zeros(10))
keep_prob = 0.95


def network(x, training):
    hidden = F.relu(x @ w1 + b1)
    hidden = F.dropout(hidden, 1 - keep_prob, training)  #@ hidden = F.dropout(hidden, keep_prob, training)
    return hidden @ w2 + b2


optimizer = torch.optim.Adam([w1, b1, w2, b2], lr=1e-3)
for epoch in range(6):
    for batch in torch.randperm(1500).split(30):
        optimizer.zero_grad()
        loss = F.cross_entropy(network(x_all[batch], True), y_all[batch])
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        guess = network(x_all[1500:], False).argmax(1)
    print("epoch", epoch, "loss", float(loss), "acc", float((guess == y_all[1500:]).float().mean()))
