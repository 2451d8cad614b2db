"""What a remedy is: a change of a training that is made from outside, by the events of a watch."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from torch import nn

from hasten.diagnosis.watching.events import Call, Collector


class Intervention(Collector):
    """Changes the training that it is told of. The only collector that may."""

    def context(self) -> AbstractContextManager[object]:
        """Return a context that is entered around the whole training."""
        return nullcontext()


class OfModel(Intervention):
    """Changes each model once, before its first forward pass in training."""

    def __init__(self) -> None:
        self._done: list[nn.Module] = []

    def call_begins(self, call: Call) -> None:
        """Change a model that was not seen before."""
        if call.training and call.grad and not any(call.module is one for one in self._done):
            self._done.append(call.module)
            self._change(call)

    def _change(self, call: Call) -> None:
        raise NotImplementedError


@dataclass(frozen=True)
class Remedy:
    """A change that may cure a finding.

    Args:
        name: of the remedy.
        what: does it, in a few words.
        line: to write in the training so that it stays, as code.
        make: makes the change for one training.
        factor: by which the learning rate is multiplied; None where it stays.
        measured_by: remedy that only shows the loss as it is with this one, for the trainings without it; "" where
            the loss stays the same function.
    """

    name: str
    what: str
    line: str
    make: Callable[[], Intervention]
    factor: float | None = None
    measured_by: str = ""
