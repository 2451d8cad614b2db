"""The weights that a run is evaluated by and ends with, where they are not the ones that it trains.

Two kinds of update keep such weights: post-steps that average, and optimizers with two modes, `eval()` and `train()`,
as schedule-free ones (Defazio et al., 2024, arXiv:2405.15682).
"""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import torch

from hasten.training.session import Session
from hasten.training.transforms import Averaging


def put_final_weights(run: Session) -> None:
    """Put the weights to end with into the model; the trained ones are kept in their place."""
    _switch(run.optimizer, "eval")
    _exchange(run)


def put_trained_weights(run: Session) -> None:
    """Put the weights that are trained back into the model, after `put_final_weights`."""
    _exchange(run)
    _switch(run.optimizer, "train")


@contextmanager
def final_weights(run: Session) -> Generator[None]:
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
def _exchange(run: Session) -> None:
    for one in run.post_step:
        if not isinstance(one.transform, Averaging):
            continue
        for name, average in one.transform.averages(one.state).items():
            parameter = run.named_parameters[name]
            trained = parameter.clone()
            parameter.copy_(average)
            average.copy_(trained)
