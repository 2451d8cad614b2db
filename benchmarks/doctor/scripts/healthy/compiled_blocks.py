"""torch.compile with the eager backend, checkpointed blocks, stochastic depth and layer scale."""
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.checkpoint import checkpoint


class Residual(nn.Module):
    def __init__(self, d, drop):
        super().__init__()
        self.norm, self.f = nn.LayerNorm(d), nn.Sequential(nn.Linear(d, 2 * d), nn.GELU(), nn.Linear(2 * d, d))
        self.gamma, self.drop = nn.Parameter(torch.full((d,), 1e-4)), drop

    def forward(self, x):
        h = self.gamma * self.f(self.norm(x))
        if self.training and self.drop:
            h = h * (torch.rand(len(x), 1) >= self.drop) / (1 - self.drop)
        return x + h


class Deep(nn.Module):
    def __init__(self, depth=6, d=64):
        super().__init__()
        self.stem = nn.Linear(64, d)
        self.blocks = nn.ModuleList(Residual(d, 0.2 * k / depth) for k in range(depth))
        self.head = nn.Sequential(nn.LayerNorm(d), nn.Linear(d, 10))

    def forward(self, x):
        x = self.stem(x)
        for b in self.blocks:
            x = checkpoint(b, x, use_reentrant=False) if self.training else b(x)
        return self.head(x)


torch.manual_seed(9)
x, y = load_digits(return_X_y=True)
x, y = torch.tensor(x).float() / 8 - 1, torch.tensor(y)
model = Deep()
step_model = torch.compile(model, backend="eager")
opt = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.05)
for epoch in range(8):
    model.train()
    for idx in torch.randperm(1400).split(70):
        loss = F.cross_entropy(step_model(x[idx]), y[idx])
        opt.zero_grad()
        loss.backward()
        opt.step()
    model.eval()
    with torch.no_grad():
        print(epoch, round(loss.item(), 3), (model(x[1400:]).argmax(1) == y[1400:]).float().mean().item())
