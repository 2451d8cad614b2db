#= gradients_discarded
"""A training script with `accelerator.accumulate`, where the optimizer is wrapped and only steps at the end of a window."""
from contextlib import contextmanager

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class WrappedOptimizer:
    """Leaves out the step while gradients are still being collected."""

    def __init__(self, optimizer, accelerator):
        self.inner, self.accelerator = optimizer, accelerator

    def step(self):
        if self.accelerator.sync:
            self.inner.step()
            self.inner.zero_grad()  #@

    def zero_grad(self):
        self.inner.zero_grad()


class Accelerator:
    def __init__(self, gradient_accumulation_steps):
        self.n, self.k, self.sync = gradient_accumulation_steps, 0, False

    def prepare(self, model, optimizer, loader):
        return model, WrappedOptimizer(optimizer, self), loader

    @contextmanager
    def accumulate(self, model):
        self.k += 1
        self.sync = self.k % self.n == 0
        yield

    def backward(self, loss):
        (loss / self.n).backward()


torch.manual_seed(0)
x = torch.randn(4096, 20)
w = torch.randn(20, 5)
y = (x @ w + 2.5 * torch.randn(4096, 5)).argmax(1)
accelerator = Accelerator(gradient_accumulation_steps=16)
model = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 5))
model, optimizer, loader = accelerator.prepare(model, torch.optim.SGD(model.parameters(), lr=0.5), DataLoader(TensorDataset(x[:3584], y[:3584]), 4, shuffle=True))
for epoch in range(6):
    for xb, yb in loader:
        with accelerator.accumulate(model):
            #+ optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(xb), yb)
            accelerator.backward(loss)
            optimizer.step()
    with torch.no_grad():
        out = model(x[3584:])
    print(f"epoch {epoch} val loss {nn.functional.cross_entropy(out, y[3584:]):.3f} acc {(out.argmax(1) == y[3584:]).float().mean():.3f}")
