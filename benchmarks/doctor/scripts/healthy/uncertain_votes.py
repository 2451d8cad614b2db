"""Monte Carlo dropout: only the dropout layers stay on at test time."""
import torch
from sklearn.datasets import make_friedman1
from torch import nn

torch.manual_seed(0)
X, y = make_friedman1(900, noise=0.5, random_state=0)
X, y = torch.tensor(X).float(), torch.tensor((y - y.mean()) / y.std()).float()
model = nn.Sequential(nn.Linear(10, 64), nn.ReLU(), nn.Dropout(0.1), nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.1), nn.Linear(64, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)


def votes(x, n=20):
    model.eval()
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.train()
    with torch.no_grad():
        return torch.stack([model(x).squeeze(1) for _ in range(n)])


for epoch in range(15):
    model.train()
    for i in torch.randperm(700).split(35):
        loss = nn.functional.mse_loss(model(X[i]).squeeze(1), y[i])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    v = votes(X[700:])
    print(epoch, loss.item(), (v.mean(0) - y[700:]).pow(2).mean().item(), v.std(0).mean().item())
