"""What a tracker gets from a training."""

from collections.abc import Iterator, Mapping
from statistics import fmean
from typing import NamedTuple, Protocol, TypeAlias

from hasten.base.records.run import Evaluation, Progress, Started

Parameter: TypeAlias = str | int | float


class Run(NamedTuple):
    """Which training it is.

    Args:
        name: of the run's folder, the same when it is resumed.
        parameters: what it was started with: task, plan, seed, batch size and so on.
    """

    name: str
    parameters: Mapping[str, Parameter]


def missing(package: str) -> str:
    """Return the message for a tracker whose package is not installed."""
    return f"--log {package} needs the package {package}. Install it with: pip install {package}"


class Logger(Protocol):
    """One tracker, opened for one run."""

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Note values after a step."""
        ...

    def close(self) -> None:
        """Write what is still open."""
        ...


def parameters_of(started: Started) -> dict[str, Parameter]:
    """Return what a run was started with."""
    return {
        "task": started.task,
        "plan": ", ".join(started.plan) or "none",
        "baseline": ", ".join(started.uses) or "plain",
        "seed": started.seed,
        "command": started.command,
    }


def values_of(event: object, metric: str) -> tuple[int, dict[str, float]] | None:
    """Return the step and the values of an event, None for one without; what is not finite is left out.

    The training loss is the mean over the steps since the last report, some tenths of a second: a point for each step
    would cost more than many steps.
    """
    if isinstance(event, Progress):
        losses = [loss for loss in event.losses if loss is not None]
        found = {"train/loss": fmean(losses)} if losses else {}
        return event.step, {**found, "train/samples_per_s": event.samples_per_s, "train/epoch": float(event.epoch)}
    if isinstance(event, Evaluation):
        return event.step, dict(_judged(event, metric))
    return None


def _judged(event: Evaluation, metric: str) -> Iterator[tuple[str, float]]:
    named = {"loss": event.valid_loss, metric: event.metric, **event.values}
    parts = {f"loss/{name}": value for name, value in event.parts.items()}
    for name, value in {**named, **parts}.items():
        if value is not None:
            yield f"valid/{name}", value
