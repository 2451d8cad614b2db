"""The weights that a run is judged by and ends with, where they are not the ones that it trains.

Two kinds of update keep such weights: averages, in `optimizer.state` so that a checkpoint has them, and optimizers with
two faces, `eval()` and `train()`, as schedule-free ones (Defazio et al., 2024, arXiv:2405.15682).
"""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import torch
from torch import optim

AVERAGE = "hasten_average"
"""Key in `optimizer.state[parameter]` of the weights that the parameter is to end with."""


def put_final_weights(optimizer: optim.Optimizer) -> None:
    """Put the weights to end with into the model; those that are trained are kept in their place."""
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
    for parameter, state in optimizer.state.items():
        if AVERAGE in state:
            trained = parameter.clone()
            parameter.copy_(state[AVERAGE])
            state[AVERAGE].copy_(trained)
