"""Whether a task trains bit for bit as the loop written by hand."""

from dataclasses import dataclass

import torch
from torch import nn

from benchmarks.any_training.training import Losses, Training
from hasten.base.records.run import Progress
from hasten.machine import facts
from hasten.techniques.baseline import baseline_of
from hasten.training.building import build
from hasten.training.loop import train


@dataclass(frozen=True)
class Compared:
    """What two trainings of the same differ in.

    Args:
        step: the first step whose losses differ, from 1; None if none does.
        values: parameters and buffers that differ after the last step.
    """

    step: int | None
    values: tuple[str, ...]

    @property
    def equal(self) -> bool:
        """Return whether nothing differs."""
        return self.step is None and not self.values


def of_task(training: Training) -> tuple[Losses, nn.Module]:
    """Train the task with the empty plan; return the loss of each step and the model."""
    run = build(baseline_of(training.task(), facts()))
    losses = [loss for event in train(run) if isinstance(event, Progress) for loss in event.losses]
    return losses, run.model  # type: ignore[return-value]  (a loss that is not finite is None, and differs)


def compare(training: Training) -> Compared:
    """Train both ways and compare every loss, parameter and buffer."""
    wanted, by_hand = training.by_hand()
    losses, net = of_task(training)
    pairs = enumerate(zip(losses, wanted, strict=True), start=1)
    step = next((number for number, (one, other) in pairs if one != other), None)
    other = by_hand.state_dict()
    values = tuple(name for name, value in net.state_dict().items() if not torch.equal(value, other[name]))
    return Compared(step, values)
