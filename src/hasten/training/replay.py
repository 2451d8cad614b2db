"""Two steps from the same state: they are equal unless a step depends on something that the state lacks."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from hasten.data.batch import tensors_of
from hasten.training.session import Session
from hasten.training.sharding import own_part
from hasten.training.step import step


@dataclass(frozen=True)
class _Replay:
    batch: list[Tensor]
    loss: Tensor
    parameters: list[Tensor]


def difference_between_replays(run: Session, state: dict[str, Any]) -> str | None:
    """Return what differs between two steps from `state`, or None; the run is then in that state.

    Costs two steps, and memory for a copy of the parameters.
    """
    first = _replay(run)
    run.load_state(state)
    second = _replay(run)
    run.load_state(state)
    if not _equal(first.batch, second.batch):
        return "other samples (the data set or its augmentation)"
    if not _equal([first.loss], [second.loss]):
        return f"a loss of {float(first.loss):.6g}, then {float(second.loss):.6g} (the model or the loss)"
    if not _equal(first.parameters, second.parameters):
        return "other parameters (the gradient or the optimizer)"
    return None


def _replay(run: Session) -> _Replay:
    with run.contexts:
        fetched = run.fetched()
        ids, samples = next(fetched)
        batch = run.training_batch(ids, samples)
        inputs = [column.clone() for column in tensors_of(batch)]
        run.set_learning_rate()
        loss = step(run, batch).sum
        fetched.close()  # type: ignore[attr-defined]
    return _Replay(inputs, loss.clone(), [own_part(parameter.detach()).clone() for parameter in run.parameters])


def _equal(one: list[Tensor], other: list[Tensor]) -> bool:
    """Return whether two lists of tensors are equal bit for bit; a NaN equals itself."""
    return all(
        a.shape == b.shape and torch.allclose(a, b, rtol=0.0, atol=0.0, equal_nan=True)
        for a, b in zip(one, other, strict=True)
    )
