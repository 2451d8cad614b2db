#= inputs_unscaled, targets_unscaled
"""Fit d ** 3 on the whole numbers from 1 to 400."""
import torch
import torch.nn as nn
import torch.nn.functional as F


class Network(nn.Module):
    def __init__(self):
        super(Network, self).__init__()
        self.fc1 = nn.Linear(in_features=1, out_features=50)
        self.fc2 = nn.Linear(in_features=50, out_features=1)

    def forward(self, x):
        return self.fc2(F.relu(self.fc1(x)))


torch.manual_seed(11)
number = torch.arange(1, 401).float().unsqueeze(1)
cube = number**3
number = (number - number.mean()) / number.std()  #@
cube = (cube - cube.mean()) / cube.std()  #@

network = Network()
optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
criterion = nn.MSELoss()
for epoch in range(600):
    optimizer.zero_grad()
    loss = criterion(network(number), cube)
    loss.backward()
    optimizer.step()
    if epoch % 100 == 99:
        print("Epoch {}, loss {}, relative {}".format(epoch, loss.item(), (loss / cube.var()).item()))
