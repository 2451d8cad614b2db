"""Trainings that use techniques today: clipping, averaged weights, accumulation, autocast; and two optimizers."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn, optim
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.any_training.training import SEED, STEPS, Losses, Training, adam, normal, plain_loop, whole_numbers
from hasten import Data, Stop, Task, Update

SAMPLES, CLASSES, BATCH, BATCHES = 120, 3, 10, 3
CLIPPED = 0.1
STOP = Stop(steps=STEPS)


def samples() -> TensorDataset:
    """Return features and classes."""
    labels = whole_numbers(CLASSES, SAMPLES)
    return TensorDataset(normal(SAMPLES, 8) + labels[:, None], labels)


def loader() -> DataLoader[Any]:
    """Return the shuffled loader."""
    return DataLoader(samples(), BATCH, shuffle=True)


def model() -> nn.Module:
    """Return a perceptron with batch norm, which accumulation gives the statistics of each part."""
    return nn.Sequential(nn.Linear(8, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.1), nn.Linear(32, CLASSES))


def training(name: str, by_hand: Callable[[], tuple[Losses, nn.Module]], uses: Mapping[str, Any]) -> Training:
    """Return the training of a classifier that uses techniques."""
    return Training(
        name,
        by_hand,
        lambda: Task(
            name=name,
            data=Data(train=loader(), valid=samples()),
            model=model,
            uses=uses,
            update=Update(optimizer=adam),
            stop=STOP,
        ),
    )


def accumulated(
    net: nn.Module, updates: optim.Optimizer, before: Callable[[], object], after: Callable[[], object]
) -> Losses:
    """Train as loops with gradient accumulation do: the mean of each batch divided by the number of batches."""
    losses, sums = Losses(), list[Tensor]()
    while True:
        for x, y in loader():
            scores = net(x)
            (F.cross_entropy(scores, y) / BATCHES).backward()
            sums.append(F.cross_entropy(scores.detach(), y, reduction="sum"))
            if len(sums) < BATCHES:
                continue
            before()
            updates.step()
            after()
            updates.zero_grad()
            losses.append((sum(sums) / (BATCH * BATCHES)).item())  # type: ignore[union-attr]
            sums.clear()
            if len(losses) == STEPS:
                return losses


def clipping_average_and_accumulation() -> Training:
    """Clipping by norm, an exponential average of the weights, and one update for three batches."""

    def by_hand() -> tuple[Losses, nn.Module]:
        torch.manual_seed(SEED)
        net = model()
        updates = adam(net)

        def clip() -> None:
            nn.utils.clip_grad_norm_(net.parameters(), CLIPPED)

        return accumulated(net, updates, clip, lambda: None), net  # the average does not change the training

    uses = {"clip_norm": {"max_norm": CLIPPED}, "ema": {"decay": 0.9}, "delayed_update": {"batches": BATCHES}}
    return training("clipping-ema-accumulation", by_hand, uses)


def autocast() -> Training:
    """Forward pass and loss under autocast with bfloat16."""

    def loss(net: nn.Module, batch: list[Tensor]) -> Tensor:
        x, y = batch
        with torch.autocast("cpu", torch.bfloat16):
            return F.cross_entropy(net(x), y)

    return training("bf16-autocast", lambda: plain_loop(model, adam, loader(), loss), {"bf16": {}})


class Rated(nn.Module):
    """Embeddings with sparse gradients, and dense layers over them."""

    def __init__(self) -> None:
        super().__init__()
        self.user, self.item = nn.Embedding(50, 8, sparse=True), nn.Embedding(70, 8, sparse=True)
        self.head = nn.Sequential(nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 1))

    def forward(self, user: Tensor, item: Tensor) -> Tensor:
        """Return a rating per pair."""
        return self.head(torch.cat([self.user(user), self.item(item)], 1)).squeeze(1)


def sparse_and_dense() -> Training:
    """Sparse Adam for the embeddings and AdamW for the rest, after one backward pass."""
    ratings = TensorDataset(whole_numbers(50, 200), whole_numbers(70, 200, seed=2), normal(200, seed=3))

    def optimizers(net: nn.Module) -> list[optim.Optimizer]:
        sparse = [one for name, one in net.named_parameters() if not name.startswith("head")]
        dense = [one for name, one in net.named_parameters() if name.startswith("head")]
        return [optim.SparseAdam(sparse, lr=1e-2), optim.AdamW(dense, lr=1e-3, weight_decay=0.1)]

    def pairs() -> DataLoader[Any]:
        return DataLoader(ratings, 32, shuffle=True)

    def by_hand() -> tuple[Losses, nn.Module]:
        second: list[optim.Optimizer] = []

        def first(net: nn.Module) -> optim.Optimizer:
            one, other = optimizers(net)
            second.append(other)
            return one

        def after() -> None:
            second[0].step()
            second[0].zero_grad()

        def loss(net: nn.Module, batch: list[Tensor]) -> Tensor:
            user, item, rating = batch
            return F.mse_loss(net(user, item), rating)

        return plain_loop(Rated, first, pairs(), loss, after_step=after)

    return Training(
        "sparse-and-dense-optimizers",
        by_hand,
        lambda: Task(
            name="sparse-and-dense-optimizers",
            data=Data(train=pairs(), valid=ratings),
            model=Rated,
            loss=nn.MSELoss(),
            metric="mae",
            update=Update(optimizer=optimizers),
            stop=STOP,
        ),
    )


TRAININGS = (clipping_average_and_accumulation(), autocast(), sparse_and_dense())
