"""The weights that a run is judged by and ends with, where they are not the ones that it trains.

Two kinds of update keep such weights: averages, in `optimizer.state` so that a checkpoint has them, and optimizers with
two faces, `eval()` and `train()`, as schedule-free ones (Defazio et al., 2024, arXiv:2405.15682).
"""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, optim

AVERAGES = "hasten_averages"
"""Key in `optimizer.state` of {"averages": the weights to end with, one tensor per parameter, in their order}."""


def shared_state(optimizer: optim.Optimizer) -> dict[str, Any]:
    """Return the optimizer's state, for entries with a name; torch saves and loads them beside those of parameters."""
    return cast(dict[str, Any], optimizer.state)


def parameters_of(optimizer: optim.Optimizer) -> list[Tensor]:
    """Return the optimizer's parameters in the order of its groups."""
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def put_final_weights(optimizer: optim.Optimizer) -> None:
    """Put the weights to end with into the model; those that are trained are kept in their position."""
    _face(optimizer, "eval")
    _exchange(optimizer)


def put_trained_weights(optimizer: optim.Optimizer) -> None:
    """Put the weights that are trained back into the model, after `put_final_weights`."""
    _exchange(optimizer)
    _face(optimizer, "train")


@contextmanager
def final_weights(optimizer: optim.Optimizer) -> Generator[None]:
    """Let the model hold the weights to end with for the body."""
    put_final_weights(optimizer)
    try:
        yield
    finally:
        put_trained_weights(optimizer)


def _face(optimizer: Any, name: str) -> None:
    if hasattr(optimizer, name):
        getattr(optimizer, name)()


@torch.no_grad()
def _exchange(optimizer: optim.Optimizer) -> None:
    state = shared_state(optimizer)
    if AVERAGES not in state:
        return
    for parameter, average in zip(parameters_of(optimizer), state[AVERAGES]["averages"], strict=True):
        trained = parameter.clone()
        parameter.copy_(average)
        average.copy_(trained)
