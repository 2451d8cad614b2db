"""From techniques that help alone to the smallest plan that helps most."""

from collections.abc import Iterable, Iterator

import msgspec

from hasten.base.records.comparison import Verdict as Speed
from hasten.base.records.trial import Trial, Verdict
from hasten.base.units import seconds
from hasten.techniques.applying import conflict
from hasten.training.technique import Technique
from hasten.tuning import messages
from hasten.tuning.break_even import EXPECTED_SETUP_S, cannot_pay
from hasten.tuning.context import Laboratory, Plan, compared, least_cost_s
from hasten.tuning.experiment import blank, experiment, judged, names, proven, told

Kept = dict[Technique, Trial]
"""The techniques of the plan so far, each with the trial that shows what it adds to the others."""


def company_of(one: Technique, free: Iterable[Technique], plan: Iterable[Technique] = ()) -> Plan:
    """Return the techniques that `one` needs to gain much, of those that may be tried and are not in the plan yet."""
    return tuple(other for other in free if other.card.name in one.card.best_with and other not in plan)


def grow(lab: Laboratory, survivors: Kept, free: list[Technique], plan: Kept, *, share: float) -> Iterator[Trial]:
    """Add survivors to `plan` one by one, the largest gain first, each if it helps beside those that are there.

    Args:
        lab: where the experiments are made.
        survivors: techniques that help alone, or with their company, with those trials.
        free: all that may be tried.
        plan: empty; filled.
        share: of the budget, which must not be passed.
    """
    ordered = sorted(survivors, key=lambda one: _gain(survivors[one]), reverse=True)
    for number, one in enumerate(ordered):
        if one in plan:  # it came with another
            continue
        base, company = tuple(plan), company_of(one, free, plan)
        if not plan:
            yield from _taken(plan, one, survivors[one], company)
            continue
        why = conflict([other.card for other in (*base, *company, one)])
        if why is not None:
            yield blank(one, Verdict.NOT_APPLICABLE, f"{why}, which gains more", base)
            continue
        left_s = lab.budget.left_s(share)
        if left_s < least_cost_s(lab):
            yield blank(one, Verdict.INCONCLUSIVE, f"budget: not tried{messages.beside(names(base))}", base)
            continue
        trial = experiment(lab, one, base, budget_s=left_s / (len(ordered) - number), company=company)
        if trial.verdict is Verdict.KEPT:
            yield from _taken(plan, one, trial, company)
        yield trial


def _taken(plan: Kept, one: Technique, trial: Trial, company: Plan) -> Iterator[Trial]:
    """Put a technique into the plan, after its company, and yield the trials of these."""
    for other in company:
        plan[other] = blank(other, Verdict.KEPT, f"it comes with {one.card.name}, which tells what they gain together")
        yield plan[other]
    plan[one] = trial


def add_costly(lab: Laboratory, costly: list[Technique], plan: Kept, *, share: float) -> Iterator[Trial]:
    """Try techniques that cost much once beside the plan only, after all others: alone they would cost it twice.

    Args:
        lab: where the experiments are made.
        costly: what is tried.
        plan: those that help are added.
        share: of the budget, which they may pass by no more than a guess of their cost can be wrong.
    """
    for one in costly:
        base, left_s = tuple(plan), lab.budget.left_s(share)
        setup_s = EXPECTED_SETUP_S[one.card.name]
        why = conflict([other.card for other in (*base, one)])
        if why is not None:
            yield blank(one, Verdict.NOT_APPLICABLE, f"{why}, which is there already", base)
            continue
        if left_s < setup_s + least_cost_s(lab) and cannot_pay(one.card.name, lab.recipe, lab.step_s) is None:
            yield blank(one, Verdict.INCONCLUSIVE, f"budget: it takes {seconds(setup_s)} or more once", base)
            continue
        trial = experiment(lab, one, base, budget_s=left_s)
        if trial.verdict is Verdict.KEPT:
            plan[one] = trial
        yield trial


def prune(lab: Laboratory, plan: Kept, *, share: float) -> Iterator[Trial]:
    """Leave each technique of `plan` out once, and drop it if that costs less than the least difference.

    The one that was added last has just been measured against all the others, unless another one has gone since. What
    is left owes the proof of its guarantee like every other combination.
    """
    last = next(reversed(plan), None)
    dropped = False
    for one in list(plan):
        if len(plan) < 2 or (one is last and not dropped) or lab.budget.left_s(share) < least_cost_s(lab):
            continue
        budget_s = max(least_cost_s(lab), lab.budget.left_s(share) / len(plan))
        rest = tuple(other for other in plan if other is not one)
        trial = told(one, rest, lambda one=one, rest=rest, budget_s=budget_s: _left_out(lab, one, rest, budget_s))
        if trial.verdict is Verdict.KEPT:
            trial = plan[one] = msgspec.structs.replace(trial, gate=plan[one].gate, setup_s=plan[one].setup_s)
        else:
            del plan[one]
            dropped = True
        yield trial
    if len(plan) > 1 and frozenset(plan) not in lab.proven:
        one = next(reversed(plan))
        trial = proven(lab, tuple(plan), plan[one])
        if trial.verdict is not Verdict.KEPT:
            del plan[one]
            yield trial


def _left_out(lab: Laboratory, one: Technique, rest: Plan, budget_s: float) -> Trial:
    """Return what a technique that was kept adds to the rest of the plan; it must still add something."""
    found = compared(lab, rest, (*rest, one), budget_s=budget_s)
    trial = judged(one, rest, found)
    if found.verdict is not Speed.FASTER and found.ratio.value < 1 + found.delta:
        return msgspec.structs.replace(trial, verdict=Verdict.NO_DIFFERENCE)
    return msgspec.structs.replace(trial, verdict=Verdict.KEPT)  # it helped before, and nothing speaks against it now


def _gain(trial: Trial) -> float:
    return trial.speedup.value if trial.speedup is not None else 0.0
