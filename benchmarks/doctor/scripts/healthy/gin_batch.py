"""Graph classification with a GIN: triangle-rich against triangle-poor graphs, variable sizes packed in one big graph with a batch index."""
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(42)


def graph(label):
    n = torch.randint(8, 15, (1,)).item()
    edges = {(i, (i + 1) % n) for i in range(n)}
    while len(edges) < n + 8:
        if label:                                    # close a triangle over a ring edge
            i = torch.randint(0, n, (1,)).item()
            edges.add((i, (i + 2) % n))
            if len(edges) >= 2 * n:
                break
        else:
            i, k = torch.randint(0, n, (1,)).item(), torch.randint(3, n - 2, (1,)).item()
            edges.add((i, (i + k) % n))
    e = torch.tensor(sorted(edges)).T
    return torch.cat([e, e.flip(0)], 1), n, label


def collate(graphs):
    off, es, batch, ys = 0, [], [], []
    for g, (e, n, y) in enumerate(graphs):
        es.append(e + off)
        batch.append(torch.full((n,), g))
        ys.append(y)
        off += n
    return torch.cat(es, 1), torch.cat(batch), torch.tensor(ys)


class GINConv(nn.Module):
    def __init__(self, i, o):
        super().__init__()
        self.eps = nn.Parameter(torch.zeros(1))
        self.mlp = nn.Sequential(nn.Linear(i, o), nn.BatchNorm1d(o), nn.ReLU(), nn.Linear(o, o), nn.ReLU())

    def forward(self, x, e):
        agg = torch.zeros_like(x).index_add_(0, e[1], x[e[0]])
        return self.mlp((1 + self.eps) * x + agg)


class Net(nn.Module):
    def __init__(self, h=32):
        super().__init__()
        self.convs = nn.ModuleList([GINConv(8, h), GINConv(h, h), GINConv(h, h)])
        self.lin1, self.lin2 = nn.Linear(3 * h, h), nn.Linear(h, 2)

    def forward(self, x, e, batch, n_graphs):
        outs = []
        for conv in self.convs:
            x = conv(x, e)
            outs.append(x)
        h = torch.cat(outs, 1)
        pooled = torch.zeros(n_graphs, h.size(1)).index_add_(0, batch, h)
        return self.lin2(F.dropout(F.relu(self.lin1(pooled)), 0.3, self.training))


def run(model, e, batch, y):
    x = torch.randn(len(batch), 8)                   # random node features: structure must come from message passing
    return model(x, e, batch, len(y))


train, test = [graph(i % 2) for i in range(800)], [graph(i % 2) for i in range(200)]
model = Net()
opt = torch.optim.Adam(model.parameters(), lr=5e-3)
sched = torch.optim.lr_scheduler.StepLR(opt, 6, 0.5)
for epoch in range(16):
    model.train()
    for b in torch.randperm(800).split(40):
        e, batch, y = collate([train[i] for i in b.tolist()])
        loss = F.cross_entropy(run(model, e, batch, y), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
    sched.step()
    model.eval()
    with torch.no_grad():
        e, batch, y = collate(test)
        p = sum(run(model, e, batch, y).softmax(1) for _ in range(5))
        print(f"epoch {epoch} loss {loss.item():.3f} test accuracy {(p.argmax(1) == y).float().mean():.3f}")
