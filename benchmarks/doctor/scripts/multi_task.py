#= parameter_unreached
"""One trunk, two heads: the digit, and whether it is even."""
import torch
import torch.nn as nn
from sklearn.datasets import load_digits

torch.manual_seed(0)
digits = load_digits()
x = torch.from_numpy(digits.data).float().div(16)
y = torch.from_numpy(digits.target)
even = (y % 2 == 0).float()


class TwoHeads(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh())
        self.digit_head = nn.Linear(64, 10)
        self.parity_head = nn.Linear(64, 1)

    def forward(self, x):
        h = self.trunk(x)
        return self.digit_head(h), self.parity_head(h).squeeze(-1)


model = TwoHeads()
opt = torch.optim.Adam(model.parameters(), lr=2e-3)
digit_loss, parity_loss = nn.CrossEntropyLoss(), nn.BCEWithLogitsLoss()
train, test = torch.arange(1400), torch.arange(1400, len(x))
for epoch in range(10):
    for idx in train[torch.randperm(len(train))].split(40):
        logits, parity = model(x[idx])
        loss_digit = digit_loss(logits, y[idx])
        loss_parity = parity_loss(parity, even[idx])
        loss = loss_digit + 0.5 * loss_parity  #@ loss = loss_digit
        opt.zero_grad()
        loss.backward()
        opt.step()
    with torch.no_grad():
        logits, parity = model(x[test])
        right = (logits.argmax(1) == y[test]).float().mean().item()
        right_parity = ((parity > 0).float() == even[test]).float().mean().item()
    print(f"epoch {epoch} digit {right:.3f} parity {right_parity:.3f}")
