"""The stop rules: when training has converged, has used its budget, or has diverged."""

import math

import torch
from torch.nn.utils import get_total_norm

from hasten.base.records.run import Progress, StopReason
from hasten.training.rollback import first_bad_step
from hasten.training.session import Session
from hasten.training.sharding import is_sharded, whole
from hasten.training.transforms import Parameters

LIMITS = frozenset({StopReason.STEPS, StopReason.EPOCHS, StopReason.TIME})
"""Reasons that end a run with an evaluation, so that its last state has a metric."""


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


def non_finite(run: Session, progress: Progress) -> str:
    """Return what is NaN or infinite after the reported steps, or an empty string if nothing is.

    The losses are always checked; the parameters, which takes a pass over them, only before an evaluation and where
    each step is watched.
    """
    if None in progress.losses:
        return f"the loss of step {first_bad_step(progress)} is not finite"
    looks = run.stop_state.evaluation_pending or progress.step <= run.rollbacks.watched_until
    if looks and (name := non_finite_parameter(run.named_parameters)) is not None:
        return f"the parameter {name} is not finite after step {progress.step}"
    return ""


def non_finite_parameter(parameters: Parameters) -> str | None:
    """Return the name of the first parameter that has a NaN or infinite value, if any has."""
    with torch.no_grad():
        # an infinity norm of the empty part that a process may have of a sharded parameter does not exist
        order = 2.0 if any(map(is_sharded, parameters.values())) else math.inf
        if not parameters or math.isfinite(whole(get_total_norm(parameters.values(), order))):
            return None
        return next((name for name, one in parameters.items() if not bool(whole(one.isfinite().all()))), None)


def converged(run: Session) -> StopReason | None:
    """Return the rule that the evaluations so far make true, if any."""
    stop, stop_state = run.recipe.task.stop, run.stop_state
    if run.quality.reaches(stop_state.best, stop.target):
        return StopReason.TARGET
    if stop.patience is not None and stop_state.waited >= stop.patience:
        return StopReason.PATIENCE
    flat = stop.plateau is not None and _is_flat(stop_state.train_loss_before, stop_state.train_loss, stop.plateau)
    return StopReason.PLATEAU if flat else None


def _is_flat(before: float | None, now: float | None, change: float) -> bool:
    """Return whether the loss moved by less than `change` of its size; False while there is no earlier one."""
    return before is not None and now is not None and abs(before - now) <= change * abs(before)
