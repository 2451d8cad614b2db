#= nonfinite
"""Semi-supervised node classification with a graph convolution; the graph has some nodes without neighbours."""
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(23)
N, CLASSES, FEATS = 300, 3, 12
label = torch.arange(N) % CLASSES
features = 0.6 * F.one_hot(label, FEATS).float() + 0.5 * torch.randn(N, FEATS)
same = label[:, None] == label[None, :]
prob = torch.where(same, 0.03, 0.004)
edges = torch.triu(torch.rand(N, N) < prob, 1)
edges[:6] = False
edges[:, :6] = False
adjacency = (edges | edges.T).float()
train_mask = torch.zeros(N, dtype=torch.bool)
train_mask[6:66] = True


def normalize_adj(adj):
    adj = adj + torch.eye(len(adj))  #@
    deg = adj.sum(1)
    inv = deg.pow(-0.5)
    return torch.diag(inv) @ adj @ torch.diag(inv)


class GraphConvolution(nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_in, n_out))
        self.bias = nn.Parameter(torch.zeros(n_out))
        nn.init.xavier_uniform_(self.weight)

    def forward(self, x, adj):
        return adj @ (x @ self.weight) + self.bias


class GCN(nn.Module):
    def __init__(self, hidden=16, dropout=0.5):
        super().__init__()
        self.gc1, self.gc2, self.dropout = GraphConvolution(FEATS, hidden), GraphConvolution(hidden, CLASSES), dropout

    def forward(self, x, adj):
        x = F.dropout(F.relu(self.gc1(x, adj)), self.dropout, training=self.training)
        return F.log_softmax(self.gc2(x, adj), dim=1)


adj = normalize_adj(adjacency)
model = GCN()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=5e-4)
for epoch in range(150):
    model.train()
    optimizer.zero_grad()
    output = model(features, adj)
    loss_train = F.nll_loss(output[train_mask], label[train_mask])
    loss_train.backward()
    optimizer.step()
    if epoch % 30 == 29:
        model.eval()
        with torch.no_grad():
            output = model(features, adj)
            acc = (output.argmax(1) == label)[~train_mask].float().mean()
        print(f"epoch {epoch + 1} loss {loss_train.item():.4f} acc_test {acc:.4f}")
