"""The stop rules: when training has converged, or may not go on."""

from hasten.base.records.run import Evaluation, Progress, StopReason
from hasten.training.session import Session

ENDS_WITH_EVALUATION = frozenset({StopReason.STEPS, StopReason.EPOCHS, StopReason.TIME})
"""Reasons after which the model is judged once more, so that the last state has a metric."""


def limit_reached(run: Session) -> StopReason | None:
    """Return the rule that ends the run after this step without looking at the model, if any."""
    stop, position = run.recipe.task.stop, run.position
    if run.interrupted_by is not None:
        return StopReason.INTERRUPTED
    if stop.steps is not None and run.scheduled_step() >= stop.steps:
        return StopReason.STEPS
    if stop.epochs is not None and position.epoch >= stop.epochs:
        return StopReason.EPOCHS
    if stop.seconds is not None and position.elapsed_s >= stop.seconds:
        return StopReason.TIME
    return None


def already_reached(run: Session) -> StopReason | None:
    """Return `TARGET` if the run, resumed from a checkpoint, had reached its target before."""
    return StopReason.TARGET if run.quality.reaches(run.stop_state.best, run.recipe.task.stop.target) else None


def first_non_finite(progress: Progress) -> int | None:
    """Return the step whose loss was the first to be NaN or infinite, if any was."""
    if None not in progress.losses:
        return None
    return progress.step - len(progress.losses) + progress.losses.index(None) + 1


def converged(run: Session, evaluation: Evaluation) -> StopReason | None:
    """Take one evaluation into account and return the rule that it makes true, if any."""
    stop, stop_state = run.recipe.task.stop, run.stop_state
    flat = stop.plateau is not None and _is_flat(stop_state.train_loss, evaluation.train_loss, stop.plateau)
    stop_state.train_loss, stop_state.loss_sum, stop_state.loss_count = evaluation.train_loss, 0.0, 0
    stop_state.waited = 0 if evaluation.best else stop_state.waited + 1
    if evaluation.best and evaluation.metric is not None:
        stop_state.best = evaluation.metric
    if evaluation.metric is not None and run.quality.reaches(evaluation.metric, stop.target):
        return StopReason.TARGET
    if stop.patience is not None and stop_state.waited >= stop.patience:
        return StopReason.PATIENCE
    return StopReason.PLATEAU if flat else None


def _is_flat(before: float | None, now: float | None, change: float) -> bool:
    """Return whether the loss moved by less than `change` of its size; False while there is no earlier one."""
    return before is not None and now is not None and abs(before - now) <= change * abs(before)
