"""Log-softmax in the model and again in the loss: the second changes nothing."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 12, 3)
        self.drop = nn.Dropout2d(0.1)
        self.fc = nn.Linear(108, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.drop(self.conv(x))), 2)
        return F.log_softmax(self.fc(x.flatten(1)), dim=-1)


torch.manual_seed(0)
data = load_digits()
x, y = torch.tensor(data.images).float().unsqueeze(1) / 16, torch.tensor(data.target)
model = Net()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
criterion = nn.CrossEntropyLoss()
for epoch in range(8):
    model.train()
    for b in torch.randperm(1400).split(40):
        optimizer.zero_grad()
        loss = criterion(model(x[b]), y[b])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        out = model(x[1400:])
        print(epoch, loss.item(), criterion(out, y[1400:]).item(), (out.argmax(1) == y[1400:]).float().mean().item())
