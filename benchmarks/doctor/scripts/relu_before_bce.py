#= bounded_output
"""Is the tumor malignant? Logits for a loss that takes them."""
import torch
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import scale
from torch import nn


class TumorNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(30, 20), nn.Linear(20, 10), nn.Linear(10, 1)])

    def forward(self, x):
        for layer in self.layers[:-1]:  #@ for layer in self.layers:
            x = torch.relu(layer(x))
        return self.layers[-1](x)  #@ return x


torch.manual_seed(1)
X, y = load_breast_cancer(return_X_y=True)
X, y = torch.tensor(scale(X)).float(), torch.tensor(1 - y).float().unsqueeze(1)
net = TumorNet()
optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
criterion = nn.BCEWithLogitsLoss()
for epoch in range(15):
    net.train()
    for rows in torch.randperm(450).split(18):
        optimizer.zero_grad()
        loss = criterion(net(X[rows]), y[rows])
        loss.backward()
        optimizer.step()
    net.eval()
    with torch.no_grad():
        out = net(X[450:])
    print(epoch, loss.item(), criterion(out, y[450:]).item(), ((out > 0).float() == y[450:]).float().mean().item())
