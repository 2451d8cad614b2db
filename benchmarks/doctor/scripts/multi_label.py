#= wrong_loss_family
"""Several labels of one sample."""
import torch
from torch import nn

torch.manual_seed(0)
weights = torch.randn(16, 6)
x = torch.randn(2000, 16)
y = (x @ weights + 0.5 * torch.randn(2000, 6) > 0).float()


class MultiLabel(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(16, 48)
        self.labels = nn.Linear(48, 6)

    def forward(self, x):
        return torch.sigmoid(self.labels(torch.relu(self.hidden(x))))  #@ return torch.softmax(self.labels(torch.relu(self.hidden(x))), dim=-1)


model = MultiLabel()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
bce = nn.BCELoss()
for epoch in range(8):
    model.train()
    for idx in torch.randperm(1600).split(32):
        optimizer.zero_grad()
        loss = bce(model(x[idx]), y[idx])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        print(epoch, ((model(x[1600:]) > 0.5) == (y[1600:] > 0.5)).float().mean().item())
