"""Network with a frozen random feature layer (random Fourier features) and a trained linear read-out."""
import math
import torch
import torch.nn as nn

torch.manual_seed(37)


def rings(n):
    y = torch.randint(0, 2, (n,))
    r = 1.0 + y + 0.2 * torch.randn(n)
    a = torch.rand(n) * 2 * math.pi
    return torch.stack([r * a.cos(), r * a.sin()], 1), y.float()


class RandomFeatures(nn.Module):
    def __init__(self, d_in, d_out, scale=1.0):
        super().__init__()
        self.register_buffer("w", torch.randn(d_in, d_out) * scale)
        self.register_buffer("b", torch.rand(d_out) * 2 * math.pi)

    def forward(self, x):
        return math.sqrt(2 / self.w.shape[1]) * torch.cos(x @ self.w + self.b)


class RFFClassifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.feat = RandomFeatures(2, 150)
        self.lin = nn.Linear(150, 1)
        nn.init.zeros_(self.lin.weight)
        nn.init.zeros_(self.lin.bias)

    def forward(self, x):
        return self.lin(self.feat(x)).squeeze(1)


x, y = rings(1000)
xt, yt = rings(400)
model = RFFClassifier()
opt = torch.optim.Adam(model.parameters(), lr=0.03)
for epoch in range(10):
    for idx in torch.randperm(1000).split(50):
        margin = (2 * y[idx] - 1) * model(x[idx])
        loss = torch.clamp(1 - margin, min=0).mean() + 1e-3 * model.lin.weight.pow(2).sum()
        opt.zero_grad()
        loss.backward()
        opt.step()
    with torch.no_grad():
        acc = ((model(xt) > 0) == yt.bool()).float().mean().item()
    print(f"epoch {epoch} hinge {loss.item():.3f} test acc {acc:.3f}")
