# healthy: graph net sees all nodes including test nodes, the loss uses only the training mask
import torch
from torch import nn
import torch.nn.functional as F
torch.manual_seed(0)
N, C = 240, 3
y = torch.arange(N) % C
P = torch.where(y[:, None] == y[None], 0.08, 0.006)
A = (torch.rand(N, N) < P).float().triu(1); A = A + A.T + torch.eye(N)
dg = A.sum(1).rsqrt(); A = dg[:, None] * A * dg[None]
X = F.one_hot(y, C).float() * 0.5 + torch.randn(N, C) * 1.0
X = torch.cat([X, torch.randn(N, 5)], 1)
train = torch.zeros(N, dtype=torch.bool); train[torch.randperm(N)[:60]] = True
class GCN(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(8, 16), nn.Linear(16, C)
    def forward(self, x):
        return A @ self.b(F.dropout(F.relu(A @ self.a(x)), 0.3, self.training))
net = GCN(); opt = torch.optim.Adam(net.parameters(), 2e-2, weight_decay=5e-3)
for _ in range(120):
    net.train()
    loss = F.cross_entropy(net(X)[train], y[train])
    opt.zero_grad(); loss.backward(); opt.step()
net.eval()
print("test nodes %.3f" % (net(X)[~train].argmax(1) == y[~train]).float().mean().item())
