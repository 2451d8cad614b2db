"""A torch learning-rate scheduler as a function of how often it has moved: once per update, or once per epoch.

The scheduler runs on a stand-in for the optimizer, so that the run has no scheduler state to save: after a resume it is
replayed up to there. What it changes in the parameter groups (rate, momentum, betas) is copied to the optimizer.
"""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import torch
from torch import optim
from torch.optim import lr_scheduler

from hasten.base.errors import BadInput
from hasten.base.user_code import user_location
from hasten.training.schedule import Schedule

SchedulerFactory = Callable[[optim.Optimizer], lr_scheduler.LRScheduler]


class _StandIn(optim.Optimizer):
    """An optimizer with given groups and one empty parameter in each; its step does nothing."""

    def __init__(self, groups: list[dict[str, Any]], defaults: dict[str, Any]) -> None:
        super().__init__([{**group, "params": [torch.zeros(0, requires_grad=True)]} for group in groups], defaults)

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Do nothing; schedulers count the calls."""


class ReplayedSchedule:
    """What a scheduler sets in each parameter group after a number of moves.

    Args:
        make: (optimizer) -> scheduler.
        optimizer: before the first step; it is not changed.
        per: what moves it, "step" or "epoch".

    Raises:
        TypeError: if `make` returns no scheduler.
        BadInput: if the scheduler follows the validation loss.
    """

    def __init__(self, make: SchedulerFactory, optimizer: optim.Optimizer, per: str = "step") -> None:
        self._make, self._defaults = make, dict(optimizer.defaults)
        self._unit = "epoch" if per == "epoch" else "update"
        self._groups = [_options(group) for group in optimizer.param_groups]
        self._moved = {"lr"}
        self._start()

    def settings(self, step: int) -> list[dict[str, Any]]:
        """Return what the scheduler has set in each group after `step` moves.

        Raises:
            BadInput: if the scheduler ends before that.
        """
        if step < self._step:
            self._start()
        while self._step < step:
            self._stand_in.step()
            try:
                self._scheduler.step()
            except ValueError as error:
                raise BadInput(
                    f"the scheduler {type(self._scheduler).__name__} fails after {self._step} {self._unit}s: {error}. "
                    f"It moves once per {self._unit}; give it the number of {self._unit}s of the whole run."
                ) from error
            self._step += 1
            self._note_moved()
        return [{key: group[key] for key in self._moved if key in group} for group in self._stand_in.param_groups]

    def _start(self) -> None:
        self._stand_in = _StandIn(deepcopy(self._groups), self._defaults)
        self._scheduler: Any = self._make(self._stand_in)
        self._step = 0
        if isinstance(self._scheduler, lr_scheduler.ReduceLROnPlateau):
            raise BadInput('ReduceLROnPlateau is not a function of the step. Use Schedule("plateau") instead.')
        if not isinstance(self._scheduler, lr_scheduler.LRScheduler):
            raise TypeError(f"it returned {type(self._scheduler).__name__}, not a torch scheduler")
        self._note_moved()

    def _note_moved(self) -> None:
        """Note which options the scheduler moves: the rate, and momentum or betas where it cycles them."""
        for group, before in zip(self._stand_in.param_groups, self._groups, strict=True):
            self._moved |= {key for key, value in before.items() if key not in self._moved and group[key] != value}


def _options(group: dict[str, Any]) -> dict[str, Any]:
    return deepcopy({key: value for key, value in group.items() if key != "params"})


def replayed_schedule(schedule: Schedule, optimizer: optim.Optimizer) -> ReplayedSchedule | None:
    """Return the torch scheduler that the schedule's function makes; None where there is none.

    A function is one of the step if it returns a number for step 0, and else one of the optimizer.

    Raises:
        BadInput: if the function is neither.
    """
    function = schedule.function
    if function is None:
        return None
    try:
        float(function(0))
    except Exception as error:  # noqa: BLE001  (reported below if the function fails on an optimizer, too
        of_step = error
    else:
        return None
    try:
        return ReplayedSchedule(function, optimizer, schedule.per)
    except BadInput:
        raise
    except Exception as error:
        raise BadInput(
            "Update.schedule must be a function (step) -> multiplier of the learning rate, or a function (optimizer) "
            f"-> torch scheduler; called with step 0: {type(of_step).__name__}: {of_step}; called with the optimizer: "
            f"{type(error).__name__}: {error}{f' ({place})' if (place := user_location(error)) else ''}."
        ) from error
