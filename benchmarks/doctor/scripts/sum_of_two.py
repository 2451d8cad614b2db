#= loss_broadcasts
"""A linear layer should learn to add two numbers."""
import torch
from torch import nn, optim

torch.manual_seed(0)
device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
N, D, C = 1000, 2, 1


def true_model(z):
    q = z[:, 0]
    p = z[:, 1]
    return q + p


X = torch.rand(N, D).to(device)
y = true_model(X).unsqueeze(1)  #@ y = true_model(X)

rete = nn.Sequential(nn.Linear(D, C)).to(device)
criterion = nn.MSELoss()
optimizer = optim.Adam(rete.parameters(), lr=1e-2)
for t in range(1500):
    loss = criterion(rete(X), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if t % 300 == 0:
        print("[EPOCH]: %i, [LOSS]: %.6f" % (t, loss.item()))
print(dict(rete.named_parameters()))
