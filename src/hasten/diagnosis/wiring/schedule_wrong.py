"""W19: the learning rate schedule is stepped wrongly, or is made for another length.

Signal: the steps of every scheduler, the updates of its optimizer, the learning rate of every update, and the length
    that OneCycleLR and CosineAnnealingLR were made for.
Threshold: never stepped by the end; its optimizer makes no update; a step before the first update; a step for each
    update though the length is 4 times shorter; at most half of its steps, with those of other schedulers of its
    optimizer, which may follow it, by the end of a training that nothing can end early (no `break`, `return` or
    condition in its loops, no limit of time); a learning rate that rises evenly to the last of 100 updates and more;
    one below 0.1 % of the highest for 30 % of the updates; ReduceLROnPlateau that shall wait for the wrong way of what
    it watches (`watched.py`); a highest factor of LambdaLR that is the optimizer's learning rate (to 1e-6).
Why: a schedule counted in epochs and stepped for each batch ends too early; the other way round, it hardly begins.
Example: `StepLR(optimizer, step_size=30)` stepped after every batch, or a scheduler of an optimizer that was replaced;
    `ReduceLROnPlateau(optimizer).step(accuracy)`, whose default is `mode="min"`;
    `LambdaLR(optimizer, lambda epoch: 0.05 * 0.9**epoch)` with a learning rate of 0.05.
Wrong when: the schedule is cyclic, or the training is stopped early by hand.
Source: torch's documentation "How to adjust learning rate"; gradsnitch GS010 (schedule collapsed early).
"""

from math import isclose

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.base.records.wiring import Schedule
from hasten.base.units import digits3, percent, plural
from hasten.diagnosis.rule import Outcome
from hasten.diagnosis.wiring.watched import improves_against_mode

_PLATEAU = "ReduceLROnPlateau"
_CYCLIC = ("CyclicLR", "CosineAnnealingWarmRestarts", _PLATEAU)
_FEW, _LONG = 10, 100
_SAME = 1e-6


def find(health: Health) -> Outcome:
    """Fire where a scheduler does not fit the training."""
    if health.wiring is None or health.wiring.optimizers is None:
        return Abstained(symptom="schedule_wrong", reason="no update was seen")
    schedules = [one for one in health.wiring.schedules if one.updates or one.steps]
    if not schedules:
        return Abstained(symptom="schedule_wrong", reason="the training has no scheduler of torch")
    for one in schedules:
        alike = [other for other in schedules if (other.name, other.length) == (one.name, one.length)]
        reached = max(max(other.steps, other.reached) for other in alike)
        said = _of_mode(one, health) or _judged(one, reached, complete=health.complete)
        if said is not None:
            sentence, advice, value, threshold = said
            return Finding(
                symptom="schedule_wrong",
                severity=Severity.WARNING,
                sentence=sentence,
                value=value,
                threshold=threshold,
                bound=None,
                where=one.name,
                advice=advice,
                check=health.command,
                explains=("schedule_mismatch", "plateau", "not_learning", "update_too_small", "slow_convergence"),
            )
    return None


def _of_mode(one: Schedule, health: Health) -> tuple[str, str, float, float] | None:
    """Return sentence, advice, value and threshold where a scheduler takes what gets better for what gets worse."""
    if health.dynamics is None or not improves_against_mode(one, health.dynamics):
        return None
    first, last = one.watched[0].value, one.watched[-1].value
    falls = one.mode == "min"
    return (
        f"{one.name} shall see its number {'fall' if falls else 'rise'} (mode={one.mode!r}), which goes from "
        f"{digits3(first)} to {digits3(last)} as the training gets better: it lowered the learning rate for that.",
        f"ReduceLROnPlateau(optimizer, mode={'max' if falls else 'min'!r})",
        last,
        first,
    )


def _judged(one: Schedule, reached: int, *, complete: bool) -> tuple[str, str, float, float] | None:
    """Return sentence, advice, value and threshold; None where nothing is wrong.

    Args:
        one: scheduler.
        reached: the last step of those that are like it: a training that is resumed has one for each part.
        complete: whether the training ended by itself.
    """
    if one.steps and not one.attached:
        return (
            f"{one.name} was stepped {plural(one.steps, 'time')}, but its optimizer made no update.",
            "make the scheduler after the optimizer, from the optimizer that is stepped",
            0,
            1,
        )
    if not one.steps:
        if not complete or one.updates < 2 or one.name == _PLATEAU:
            return None
        return (
            f"{one.name} was never stepped in {plural(one.updates, 'update')}.",
            "scheduler.step()  # after optimizer.step(), or at the end of each epoch",
            0,
            1,
        )
    if one.early == 1 and not one.scaled and one.name != _PLATEAU:
        return (
            f"{one.name} was stepped before the first update: the first learning rate is skipped.",
            "optimizer.step()  # before scheduler.step()",
            one.early,
            1,
        )
    each_update = one.steps >= 0.9 * one.updates and one.updates >= _FEW
    if one.name not in _CYCLIC:
        if each_update and one.length is not None and one.steps >= 4 * one.length:
            return (
                f"{one.name} is made for {one.length} steps and was stepped {one.steps} times, once for each update.",
                "scheduler.step()  # once for each epoch, or T_max = epochs * len(loader)",
                one.steps / one.length,
                4,
            )
        if one.updates >= _FEW and one.finished >= 0.3 * one.updates:
            return (
                f"The learning rate of {one.name} was below 0.1 % of its highest for "
                f"{percent(one.finished / one.updates)} of the updates.",
                "scheduler.step()  # once for each epoch if its numbers count epochs",
                one.finished / one.updates,
                0.3,
            )
    if (
        one.name == "LambdaLR"
        and one.updates >= _FEW
        and not one.rises
        and 0 < one.base < 1
        and isclose(one.highest, one.base**2, rel_tol=_SAME)
    ):
        return (
            f"The function of LambdaLR returns learning rates, at most {digits3(one.base)}, and not factors: they are "
            f"multiplied with the learning rate of the optimizer, which gives {digits3(one.highest)}.",
            "lr_lambda=lambda step: factor  # 1.0 for the optimizer's own learning rate",
            one.highest / one.base,
            1,
        )
    warms_up = one.name not in (*_CYCLIC, "OneCycleLR") and one.rises and one.updates >= _LONG
    if warms_up and complete and not one.leaves_early:
        return (
            f"{one.name} still raises the learning rate after all {one.updates} updates: its warm-up does not end.",
            "warm up for 1 to 10 % of the updates",
            1,
            1,
        )
    if (
        one.length is not None
        and complete
        and not one.leaves_early
        and one.updates >= _FEW
        and reached + one.beside <= 0.5 * one.length
    ):
        return (
            f"{one.name} is made for {one.length} steps and was stepped only {one.steps} times "
            f"in {plural(one.updates, 'update')}.",
            "scheduler.step()  # once for each of the steps that T_max or total_steps counts",
            one.steps / one.length,
            0.5,
        )
    return None
