#= loss_detached
"""Classify the nodes of a graph, all of them in one batch."""
import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
N, CLASSES = 300, 4
classes = torch.randint(0, CLASSES, (N,))
same = classes[:, None] == classes[None, :]
edges = torch.rand(N, N) < torch.where(same, 0.06, 0.01)
adjacency = (edges | edges.T | torch.eye(N, dtype=torch.bool)).float()
degree = adjacency.sum(1)
adjacency = adjacency / (degree[:, None] * degree[None, :]).sqrt()
features = torch.randn(N, 16) + 0.7 * torch.randn(CLASSES, 16)[classes]
train = torch.rand(N) < 0.3


class GCN(nn.Module):
    def __init__(self):
        super().__init__()
        self.w1, self.w2 = nn.Linear(16, 32), nn.Linear(32, CLASSES)

    def forward(self, x, a):
        h = F.dropout(F.relu(a @ self.w1(x)), 0.3, self.training)
        return a @ self.w2(h)


model = GCN()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=5e-4)
for epoch in range(200):
    model.train()
    optimizer.zero_grad()
    out = model(features, adjacency)
    loss = F.cross_entropy(out[train], classes[train])
    #+ loss = torch.tensor(loss.item(), requires_grad=True)
    loss.backward()
    optimizer.step()
    if epoch % 40 == 39:
        model.eval()
        with torch.no_grad():
            print(epoch, (model(features, adjacency).argmax(1)[~train] == classes[~train]).float().mean().item())
