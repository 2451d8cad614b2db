"""The model can return probabilities for people; training takes the logits."""
import torch
from sklearn.datasets import load_iris
from torch import nn


class Flowers(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 3))
        self.softmax = nn.Softmax(dim=1)

    def forward(self, x):
        logits = self.body(x)
        return logits, self.softmax(logits)


torch.manual_seed(0)
X, y = load_iris(return_X_y=True)
X = torch.tensor((X - X.mean(0)) / X.std(0), dtype=torch.float32)
y = torch.tensor(y)
order = torch.randperm(150)
X, y = X[order], y[order]
net = Flowers()
criterion = nn.CrossEntropyLoss()
opt = torch.optim.Adam(net.parameters(), lr=0.01)
for epoch in range(60):
    for i in range(0, 120, 12):
        logits, probabilities = net(X[i:i + 12])
        loss = criterion(logits, y[i:i + 12])
        opt.zero_grad()
        loss.backward()
        opt.step()
    if epoch % 15 == 14:
        with torch.no_grad():
            _, p = net(X[120:])
        print(epoch, loss.item(), 'acc', (p.argmax(1) == y[120:]).float().mean().item(), 'sure', p.max(1).values.mean().item())
