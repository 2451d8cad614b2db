"""One training in two forms: the loop that people write, and the `Task` of the same."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn, optim

from hasten import Task

STEPS = 50
SEED = 0

Losses = list[float]
Model = Callable[[], nn.Module]
Optimizer = Callable[[nn.Module], optim.Optimizer]


@dataclass(frozen=True)
class Training:
    """One training.

    Args:
        name: short; with hyphens.
        by_hand: train for `STEPS` steps in plain PyTorch and return the loss of each step and the model.
        task: the same as a task that stops after `STEPS` steps.
    """

    name: str
    by_hand: Callable[[], tuple[Losses, nn.Module]]
    task: Callable[[], Task]


def many_steps(loader: Iterable[Any], step: Callable[[Any], Tensor], after_epoch: Callable[[], object]) -> Losses:
    """Make `STEPS` steps, pass after pass over the loader, and return the loss of each."""
    losses = Losses()
    while True:
        for batch in loader:
            losses.append(step(batch).item())
            if len(losses) == STEPS:
                return losses
        after_epoch()


def plain_loop(
    model: Model,
    optimizer: Optimizer,
    loader: Iterable[Any],
    loss_of: Callable[[nn.Module, Any], Tensor],
    after_step: Callable[[], object] = lambda: None,
    after_epoch: Callable[[], object] = lambda: None,
) -> tuple[Losses, nn.Module]:
    """Train as most scripts do: forward, backward, step, zero_grad."""
    torch.manual_seed(SEED)
    net = model()
    updates = optimizer(net)

    def step(batch: Any) -> Tensor:
        loss = loss_of(net, batch)
        loss.backward()
        updates.step()
        updates.zero_grad()
        after_step()
        return loss.detach()

    return many_steps(loader, step, after_epoch), net


def adam(net: nn.Module) -> optim.Optimizer:
    """Return Adam over every parameter that is trained."""
    return optim.Adam([parameter for parameter in net.parameters() if parameter.requires_grad], lr=1e-3)


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return normal numbers that depend on nothing but the seed."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def whole_numbers(high: int, *shape: int, seed: int = 1) -> Tensor:
    """Return whole numbers from 0 to `high` - 1 that depend on nothing but the seed."""
    return torch.randint(high, shape, generator=torch.Generator().manual_seed(seed))
