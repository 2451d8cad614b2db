#= targets_inverted
"""Label smoothing as in the Annotated Transformer: KL divergence against a smoothed distribution; Noam schedule."""
import torch
import torch.nn as nn
from sklearn.datasets import load_digits


class LabelSmoothing(nn.Module):
    def __init__(self, size, smoothing=0.05):
        super().__init__()
        self.criterion = nn.KLDivLoss(reduction="sum")
        self.smoothing, self.confidence, self.size = smoothing, 1.0 - smoothing, size

    def forward(self, x, target):
        true_dist = torch.empty_like(x)
        true_dist.fill_(self.smoothing / (self.size - 1))  #@ true_dist.fill_(self.confidence / (self.size - 1))
        true_dist.scatter_(1, target.unsqueeze(1), self.confidence)  #@ true_dist.scatter_(1, target.unsqueeze(1), self.smoothing)
        return self.criterion(x, true_dist.detach())


class NoamOpt:
    def __init__(self, factor, warmup, optimizer):
        self.optimizer, self._step, self.factor, self.warmup = optimizer, 0, factor, warmup

    def step(self):
        self._step += 1
        for group in self.optimizer.param_groups:
            group["lr"] = self.factor * min(self._step**-0.5, self._step * self.warmup**-1.5)
        self.optimizer.step()


class RowReader(nn.Module):
    """Reads a digit row by row."""

    def __init__(self, d=48):
        super().__init__()
        self.rows = nn.Linear(8, d)
        self.pos = nn.Parameter(torch.randn(8, d) * 0.1)
        self.layer = nn.TransformerEncoderLayer(d, 4, 96, dropout=0.1, batch_first=True)
        self.generator = nn.Linear(d, 10)

    def forward(self, x):
        return self.generator(self.layer(self.rows(x) + self.pos).mean(1)).log_softmax(-1)


def batches(x, y, size):
    for idx in torch.randperm(len(x)).split(size):
        yield x[idx], y[idx], len(idx)


torch.manual_seed(1)
d = load_digits()
X, Y = torch.tensor(d.images).float() / 16, torch.tensor(d.target)
model, criterion = RowReader(), LabelSmoothing(10)
opt = NoamOpt(0.02, 60, torch.optim.Adam(model.parameters(), lr=0, betas=(0.9, 0.98), eps=1e-9))
for epoch in range(10):
    model.train()
    total = 0
    for src, trg, n in batches(X[:1400], Y[:1400], 64):
        loss = criterion(model(src), trg) / n
        loss.backward()
        opt.step()
        opt.optimizer.zero_grad()
        total += loss.item() * n
    model.eval()
    with torch.no_grad():
        print(f"epoch {epoch} kl {total / 1400:.4f} accuracy {(model(X[1400:]).argmax(-1) == Y[1400:]).float().mean():.3f}")
