#= evaluation_not_deterministic
"""Digits, with dropout by the function."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits


class DigitNet(nn.Module):
    def __init__(self, p=0.5):
        super().__init__()
        self.p = p
        self.input_layer = nn.Linear(64, 128)
        self.middle = nn.Linear(128, 128)
        self.output_layer = nn.Linear(128, 10)

    def forward(self, pixels):
        h = F.dropout(F.relu(self.input_layer(pixels)), p=self.p, training=self.training)  #@ h = F.dropout(F.relu(self.input_layer(pixels)), p=self.p)
        h = F.dropout(F.relu(self.middle(h)), p=self.p, training=self.training)  #@ h = F.dropout(F.relu(self.middle(h)), p=self.p)
        return self.output_layer(h)


def run_epoch(model, x, y, optimizer=None):
    model.train(optimizer is not None)
    hits, losses = 0, []
    with torch.set_grad_enabled(optimizer is not None):
        for batch in torch.arange(len(x)).split(32):
            scores = model(x[batch])
            loss = F.cross_entropy(scores, y[batch])
            if optimizer:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            hits += (scores.argmax(1) == y[batch]).sum().item()
            losses.append(loss.item())
    return sum(losses) / len(losses), hits / len(x)


torch.manual_seed(9)
digits = load_digits()
x, y = torch.tensor(digits.data / 16).float(), torch.tensor(digits.target)
order = torch.randperm(len(x))
x, y = x[order], y[order]
model = DigitNet()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(10):
    print(epoch, run_epoch(model, x[:1400], y[:1400], optimizer), run_epoch(model, x[1400:], y[1400:]))
