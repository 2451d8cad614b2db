"""What a training says while it runs and when it ends."""

from enum import StrEnum

from hasten.base.records.record import Record


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


class Progress(Record, frozen=True):
    """Some steps have been done. `losses` are the mean losses of the steps up to and including `step`, in order."""

    step: int
    epoch: int
    elapsed_s: float
    losses: tuple[float, ...]
    samples_per_s: float


class Evaluation(Record, frozen=True):
    """The model was judged on the validation data after `step` updates."""

    step: int
    epoch: int
    elapsed_s: float
    train_loss: float
    valid_loss: float
    metric: float
    best: bool


class Finished(Record, frozen=True):
    """Training ended."""

    reason: StopReason
    step: int
    epoch: int
    elapsed_s: float
    detail: str = ""


Event = Progress | Evaluation | Finished


class RunResult(Record, frozen=True):
    """One training from start to end: what was trained, how long it took, what came out."""

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
    best_metric: float
    final_metric: float
    final_valid_loss: float
    samples_per_s: float
    peak_bytes: int
    evaluations: tuple[Evaluation, ...]
    folder: str | None = None
