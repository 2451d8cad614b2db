#= leak_across_splits
"""Two-layer GCN on a synthetic citation graph (planted partition)."""
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)
N, CLASSES, FEATS = 400, 4, 200
y = torch.randint(0, CLASSES, (N,))
same = y[:, None] == y[None]
edges = torch.rand(N, N) < torch.where(same, 0.02, 0.007)
adj = (edges | edges.T).float()
adj.fill_diagonal_(1)
degree = adj.sum(1)
a_hat = adj / (degree[:, None] * degree[None]).sqrt()
x = torch.randn(N, FEATS)
x[torch.arange(N), y] += 1.0

order = torch.randperm(N)
train_mask = torch.zeros(N, dtype=torch.bool)
train_mask[order[:200]] = True
test_mask = ~train_mask


class GCN(nn.Module):
    def __init__(self, nfeat, nhid, nclass, dropout=0.5):
        super().__init__()
        self.w1, self.w2 = nn.Linear(nfeat, nhid), nn.Linear(nhid, nclass)
        self.dropout = dropout

    def forward(self, x, a):
        x = F.relu(a @ self.w1(F.dropout(x, self.dropout, self.training)))
        x = F.dropout(x, self.dropout, self.training)
        return F.log_softmax(a @ self.w2(x), dim=1)


model = GCN(FEATS, 32, CLASSES)
optimizer = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=5e-4)


def accuracy(mask):
    model.eval()
    with torch.no_grad():
        pred = model(x, a_hat).argmax(1)
    return (pred[mask] == y[mask]).float().mean().item()


for epoch in range(120):
    model.train()
    optimizer.zero_grad()
    out = model(x, a_hat)
    loss = F.nll_loss(out[train_mask], y[train_mask])  #@ loss = F.nll_loss(out, y)
    loss.backward()
    optimizer.step()
    if epoch % 20 == 19:
        print(f"Epoch {epoch + 1:03d}, Loss: {loss.item():.4f}, Train: {accuracy(train_mask):.3f}, "
              f"Test: {accuracy(test_mask):.3f}")
