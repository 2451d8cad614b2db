"""Semi-supervised GCN on a planted citation graph: 6 labels per class, transductive features, early stopping on a validation mask."""
import copy

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(23)
N, C = 600, 4
y = torch.randint(0, C, (N,))
same = y[:, None] == y[None]
a = torch.triu((torch.rand(N, N) < torch.where(same, 0.03, 0.004)).float(), 1)
adj = a + a.T + torch.eye(N)
dinv = adj.sum(1).rsqrt()
adj = (dinv[:, None] * adj * dinv[None]).to_sparse()
x = ((torch.rand(N, 80) < 0.04) | ((torch.rand(N, 80) < 0.06) & (torch.arange(80)[None] % C == y[:, None]))).float()
x = x / x.sum(1, keepdim=True).clamp(min=1)
train_mask = torch.zeros(N, dtype=torch.bool)
for c in range(C):
    train_mask[torch.where(y == c)[0][:6]] = True
rest = torch.where(~train_mask)[0]
rest = rest[torch.randperm(len(rest))]
val_idx, test_idx = rest[:150], rest[150:]


class GraphConvolution(nn.Module):
    def __init__(self, i, o):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.empty(i, o)), nn.Parameter(torch.zeros(o))
        nn.init.xavier_uniform_(self.weight)

    def forward(self, x, adj):
        return torch.sparse.mm(adj, x @ self.weight) + self.bias


class GCN(nn.Module):
    def __init__(self):
        super().__init__()
        self.gc1, self.gc2 = GraphConvolution(80, 32), GraphConvolution(32, C)

    def forward(self, x, adj):
        x = F.dropout(F.relu(self.gc1(x, adj)), 0.5, training=self.training)
        return F.log_softmax(self.gc2(x, adj), 1)


model = GCN()
optimizer = torch.optim.Adam([{"params": model.gc1.parameters(), "weight_decay": 5e-3}, {"params": model.gc2.parameters(), "weight_decay": 0}], lr=0.01)
best, state, patience = 1e9, None, 0
for epoch in range(250):
    model.train()
    out = model(x, adj)
    loss = F.nll_loss(out[train_mask], y[train_mask])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    model.eval()
    with torch.no_grad():
        out = model(x, adj)
        val = F.nll_loss(out[val_idx], y[val_idx]).item()
    if val < best:
        best, state, patience = val, copy.deepcopy(model.state_dict()), 0
    else:
        patience += 1
    if epoch % 40 == 0:
        print(f"Epoch {epoch:03d} loss_train {loss.item():.4f} loss_val {val:.4f}")
    if patience > 30:
        break
model.load_state_dict(state)
with torch.no_grad():
    print(f"stopped at {epoch}, test accuracy {(model(x, adj)[test_idx].argmax(1) == y[test_idx]).float().mean():.3f} with {int(train_mask.sum())} labels")
