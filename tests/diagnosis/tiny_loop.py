"""A loop of one's own that is small enough to be trained in every test."""

import torch
from torch import Tensor, nn, optim
from torch.nn import functional as F

from hasten.base.seeds import seed_all


class Net(nn.Module):
    """A small classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(4, 8), nn.Linear(8, 3)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return logits."""
        return self.head(self.body(inputs).relu())


class Loop:
    """A loop of one's own over the same few batches."""

    def __init__(self, *, lr: float = 0.01) -> None:
        seed_all(0)
        self.model = Net()
        self.optimizer = optim.SGD(self.model.parameters(), lr)
        self.data = [(torch.randn(8, 4), torch.randint(0, 3, (8,))) for _ in range(4)]
        self.losses: list[float] = []

    def step(self, factor: float = 1.0) -> None:
        inputs, targets = self.data[len(self.losses) % len(self.data)]
        loss = F.cross_entropy(self.model(inputs * factor), targets)
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.losses.append(loss.item())

    def steps(self, number: int) -> None:
        for _ in range(number):
            self.step()
