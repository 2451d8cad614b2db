#= axes_scrambled
# https://github.com/pyg-team/pytorch_geometric/issues/224 - attention is normalised over edges that share the source rather than the target, so weights entering a node do not sum to one; right: softmax over edge_index[1].
import torch, torch.nn as nn, torch.nn.functional as F
torch.manual_seed(12)


def softmax(src, index, n):
    top = torch.full((n,), -1e9).scatter_reduce(0, index, src, 'amax')
    e = (src - top[index]).exp()
    return e / (torch.zeros(n).index_add(0, index, e)[index] + 1e-16)


class GATConv(nn.Module):
    def __init__(self, fi, fo):
        super().__init__()
        self.lin = nn.Linear(fi, fo)
        self.a = nn.Linear(2 * fo, 1)

    def forward(self, x, ei):
        h = self.lin(x)
        alpha = F.leaky_relu(self.a(torch.cat([h[ei[1]], h[ei[0]]], -1)).squeeze(-1), .2)
        alpha = softmax(alpha, ei[1], len(x))  #@ alpha = softmax(alpha, ei[0], len(x))
        return torch.zeros(len(x), h.size(1)).index_add(0, ei[1], alpha[:, None] * h[ei[0]])


# hubs hand out many edges, every node listens to 12 others; regression on the mean of marked neighbours
def graph(n=400, k=12):
    x = torch.randn(n, 3)
    x[:, 1] = (torch.rand(n) < .4).float()
    p = torch.distributions.Pareto(1., 1.).sample((n,)).clamp(max=60)
    src = torch.multinomial(p, n * k, replacement=True)
    dst = torch.arange(n).repeat_interleave(k)
    marked = x[src, 1]
    s = torch.zeros(n).index_add(0, dst, marked * x[src, 0]); c = torch.zeros(n).index_add(0, dst, marked)
    return x, torch.stack([src, dst]), (s / c.clamp(min=1))


xa, ea, ya = graph(); xb, eb, yb = graph()
net = nn.ModuleList([GATConv(3, 16), nn.Linear(16, 1)])
opt = torch.optim.Adam(net.parameters(), 0.01)
for step in range(250):
    loss = F.mse_loss(net[1](net[0](xa, ea)).squeeze(1), ya)
    opt.zero_grad(); loss.backward(); opt.step()
with torch.no_grad():
    out = net[1](net[0](xb, eb)).squeeze(1)
print(f"new graph: R2 = {1 - (F.mse_loss(out, yb) / yb.var()).item():.3f}")
