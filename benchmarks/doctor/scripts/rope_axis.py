#= positions_unused
"""Classification of sequences by an order of two marks, with a transformer that has rotary positions."""
import torch
import torch.nn.functional as F
from torch import nn


class Rotary(nn.Module):
    def __init__(self, dim, base=100.0):
        super().__init__()
        self.register_buffer("inv_freq", 1.0 / base ** (torch.arange(0, dim, 2).float() / dim))

    def forward(self, x):
        """Rotate x, whose last but one dimension is the time."""
        angle = torch.arange(x.shape[-2]).float()[:, None] * self.inv_freq
        cos, sin = angle.cos().repeat_interleave(2, -1), angle.sin().repeat_interleave(2, -1)
        half = torch.stack([-x[..., 1::2], x[..., ::2]], -1).flatten(-2)
        return x * cos + half * sin


class Layer(nn.Module):
    def __init__(self, d, heads):
        super().__init__()
        self.heads, self.rope = heads, Rotary(d // heads)
        self.ln1, self.ln2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.wq, self.wk, self.wv, self.wo = (nn.Linear(d, d) for _ in range(4))
        self.ff = nn.Sequential(nn.Linear(d, 2 * d), nn.GELU(), nn.Linear(2 * d, d))

    def forward(self, x):
        b, t, d = x.shape
        h = self.ln1(x)
        q, k, v = (w(h).view(b, t, self.heads, d // self.heads) for w in (self.wq, self.wk, self.wv))
        q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)  #@ q, k = self.rope(q), self.rope(k)
        q, k = self.rope(q), self.rope(k)  #@ q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
        x = x + self.wo(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, t, d))
        return x + self.ff(self.ln2(x))


class Model(nn.Module):
    def __init__(self, vocab=12, d=32):
        super().__init__()
        self.emb = nn.Embedding(vocab, d)
        self.layers = nn.Sequential(Layer(d, 4), Layer(d, 4))
        self.out = nn.Linear(d, 2)

    def forward(self, ids):
        return self.out(self.layers(self.emb(ids)).mean(1))


def data(n):
    """Is the mark 1 before the mark 2?"""
    ids = torch.randint(3, 12, (n, 16))
    two = torch.rand(n, 16).topk(2, 1).indices
    ids.scatter_(1, two, torch.tensor([[1, 2]]).expand(n, 2))
    return ids, (two[:, 0] < two[:, 1]).long()


torch.manual_seed(5)
model = Model()
opt = torch.optim.Adam(model.parameters(), lr=2e-3)
for step in range(300):
    ids, y = data(64)
    loss = F.cross_entropy(model(ids), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 60 == 59:
        ids, y = data(500)
        with torch.no_grad():
            print(step + 1, round(loss.item(), 3), "right", (model(ids).argmax(1) == y).float().mean().item())
