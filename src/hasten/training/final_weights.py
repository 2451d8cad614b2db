"""The weights that a run is evaluated by and ends with, where they are not the ones that it trains.

Two kinds of update keep such weights: post-steps that average, and optimizers with two modes, `eval()` and `train()`,
as schedule-free ones (Defazio et al., 2024, arXiv:2405.15682).
"""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch import optim

from hasten.training.transforms import Attached, Averaging, Parameters, PostStep


class Updated(Protocol):
    """What has an optimizer and post-steps: a `Session`, or a loop that its owner keeps."""

    optimizer: optim.Optimizer
    named_parameters: Parameters

    @property
    def post_step(self) -> Sequence[Attached[PostStep]]:
        """What is done after each update."""
        ...


def put_final_weights(run: Updated) -> None:
    """Put the weights to end with into the model; the trained ones are kept in their place."""
    _switch(run.optimizer, "eval")
    _exchange(run)


def put_trained_weights(run: Updated) -> None:
    """Put the weights that are trained back into the model, after `put_final_weights`."""
    _exchange(run)
    _switch(run.optimizer, "train")


@contextmanager
def final_weights(run: Updated) -> Generator[None]:
    """Let the model hold the weights to end with for the body."""
    put_final_weights(run)
    try:
        yield
    finally:
        put_trained_weights(run)


def _switch(optimizer: Any, mode: str) -> None:
    if hasattr(optimizer, mode):
        getattr(optimizer, mode)()


@torch.no_grad()
def _exchange(run: Updated) -> None:
    for one in run.post_step:
        if not isinstance(one.transform, Averaging):
            continue
        for name, average in one.transform.averages(one.state).items():
            parameter = run.named_parameters[name]
            trained = parameter.clone()
            parameter.copy_(average)
            average.copy_(trained)
