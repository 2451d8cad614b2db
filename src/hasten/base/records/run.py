"""What a training says while it runs and when it ends."""

from enum import StrEnum
from typing import Any

from hasten.base.records.record import Record
from hasten.base.units import as_good_as


class StopReason(StrEnum):
    """Why training ended."""

    TARGET = "target reached"
    PATIENCE = "no better metric for a while"
    PLATEAU = "loss is flat"
    STEPS = "all steps done"
    EPOCHS = "all epochs done"
    TIME = "time is up"
    NON_FINITE = "loss is not finite"
    INTERRUPTED = "interrupted"


class TaskFacts(Record, frozen=True):
    """What is going to be trained."""

    name: str
    train_samples: int | None
    valid_samples: int | None
    sample_shape: str
    parameters: int
    batch_size: int
    optimizer: str
    learning_rate: float | None
    schedule: str
    epochs: int | None
    steps: int | None
    metric: str
    target: float | None
    uses: tuple[str, ...] = ()  # techniques that the training uses today, with their knobs


class Started(Record, frozen=True, tag="started"):
    """A training begins, or goes on from `step`."""

    task: str
    plan: tuple[str, ...]  # techniques; empty for the plain training
    seed: int
    step: int
    total_steps: int | None
    metric_name: str
    target: float | None
    uses: tuple[str, ...] = ()  # techniques of the baseline
    command: str = ""  # what names the task on the command line


class Progress(Record, frozen=True, tag="progress"):
    """Some steps have been done. `losses` are the mean losses of the steps up to and including `step`, in order.

    A loss that is not finite is None, here and in `Evaluation`. `parts` has the named terms of a loss that has them.
    """

    step: int
    epoch: int
    elapsed_s: float
    losses: tuple[float | None, ...]
    samples_per_s: float
    parts: dict[str, tuple[float | None, ...]] = {}


class Evaluation(Record, frozen=True, tag="evaluation"):
    """The model was judged on the validation data after `step` updates; `values` are those of `Task.validate`."""

    step: int
    epoch: int
    elapsed_s: float
    train_loss: float | None
    valid_loss: float | None
    metric: float | None
    best: bool
    values: dict[str, float | None] = {}
    parts: dict[str, float | None] = {}


class SharesChanged(Record, frozen=True, tag="shares"):
    """Processes that train together got other shares of each batch after `step`, by the speed of each."""

    step: int
    samples: tuple[int, ...]  # of a batch, for each process
    sample_s: tuple[float, ...]  # forward and backward pass of one sample, measured in each process


class RolledBack(Record, frozen=True, tag="rolled_back"):
    """A loss or a parameter was not finite after `found_at`; the run goes on from its checkpoint of `step`.

    First all steps up to `found_at` are made again, to find the one that did it; then, with `skipped`, without batches.
    """

    step: int
    found_at: int
    detail: str
    skipped: tuple[int, int] | None  # first and last step whose batches are left out from now on
    made: int  # this one included; looking for the batch and leaving it out are one
    limit: int


class Finished(Record, frozen=True, tag="finished"):
    """Training ended."""

    reason: StopReason
    step: int
    epoch: int
    elapsed_s: float
    detail: str = ""


class Observed(Record, frozen=True, tag="observed"):
    """What an observer reported of one step; read back from a file, `record` is plain data."""

    step: int
    record: Any


Event = Started | Progress | Evaluation | Observed | SharesChanged | RolledBack | Finished


class RunResult(Record, frozen=True):
    """One training from start to end: what was trained, how long it took, what came out.

    `best_metric` is that of the evaluation after step `best_step`, `final_metric` that of the last evaluation.
    `weights_step` is the step whose weights were returned: the best one's where the run ended by patience or diverged.
    """

    task: str
    metric_name: str
    higher_is_better: bool
    target: float | None
    plan: tuple[str, ...]
    seed: int
    reason: StopReason
    steps: int
    elapsed_s: float
    time_to_target_s: float | None
    best_metric: float | None
    final_metric: float | None
    final_valid_loss: float | None
    samples_per_s: float
    evaluations: tuple[Evaluation, ...]
    folder: str | None = None
    best_step: int | None = None
    weights_step: int | None = None

    def seconds_to(self, level: float | None) -> float | None:
        """Return the seconds until the metric was as good as `level`, None if it never was.

        Without a target it is the time of the whole training, whatever the level.
        """
        if self.target is None:
            return self.elapsed_s
        if level is None or level == self.target:
            return self.time_to_target_s if level is not None else None
        evaluation = self.reaching(level)
        return evaluation.elapsed_s if evaluation is not None else None

    def reaching(self, level: float) -> Evaluation | None:
        """Return the first evaluation at which the metric was as good as `level`, None if there was none."""
        good = (
            one
            for one in self.evaluations
            if one.metric is not None and as_good_as(one.metric, level, higher_is_better=self.higher_is_better)
        )
        return next(good, None)
