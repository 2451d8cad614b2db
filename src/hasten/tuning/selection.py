"""From techniques that help alone to the smallest plan that helps most, the likeliest first, within the budget."""

from collections.abc import Iterable, Iterator

import msgspec

from hasten.base.records.comparison import Verdict as Speed
from hasten.base.records.trial import Trial, Verdict
from hasten.base.units import seconds
from hasten.techniques.applying import conflict
from hasten.training.technique import Technique
from hasten.tuning import messages
from hasten.tuning.break_even import cannot_pay
from hasten.tuning.budget import now_s
from hasten.tuning.context import Laboratory, Plan, compared, confirmation_s, least_cost_s
from hasten.tuning.experiment import OVERRUN, blank, experiment, judged, names, proven, told

Kept = dict[Technique, Trial]
"""The techniques of the plan so far, each with the trial that shows what it adds to the others."""

FIRST_LOOK = 0.5
"""Of the time left, for a first look at all; the rest is for combining, for what costs much once, and for a longer look
at what is inconclusive."""
LONGER = 2.0
"""Times the pairs of the first look that a second one gets at least: with fewer it would say the same."""


def select(lab: Laboratory, free: list[Technique], plan: Kept, *, share: float) -> Iterator[Trial]:
    """Try techniques that gates can prove; those that help together go into `plan`.

    Args:
        lab: where the experiments are made.
        free: what is tried, the likeliest first.
        plan: empty; filled.
        share: of the budget, counted from its start, that may be used. What measuring the plan afresh takes is left.
    """
    cheap = [one for one in free if not one.card.setup_s]
    survivors: Kept = {}
    unclear: Kept = {}
    yield from _screen(lab, cheap, survivors, unclear, share=share)
    yield from _grow(lab, survivors, cheap, plan, share=share)
    yield from _add_costly(lab, [one for one in free if one not in cheap], plan, share=share)
    yield from _look_again(lab, unclear, cheap, plan, share=share)
    yield from _prune(lab, plan, share=share)


def company_of(one: Technique, free: Iterable[Technique], plan: Iterable[Technique] = ()) -> Plan:
    """Return the techniques that `one` needs to gain much, of those that may be tried and are not in the plan yet."""
    return tuple(other for other in free if other.card.name in one.card.best_with and other not in plan)


def _spare_s(lab: Laboratory, kept: Kept, *, share: float) -> float:
    """Return the seconds that may be spent now: what is left without combining what helps and measuring it afresh."""
    if not kept:
        return lab.budget.left_s(share)
    combining_s = 2 * (len(kept) - 1) * least_cost_s(lab)  # beside the others, and left out once
    return lab.budget.left_s(share) - combining_s - confirmation_s(lab, kept)


def _screen(
    lab: Laboratory, cheap: list[Technique], survivors: Kept, unclear: Kept, *, share: float
) -> Iterator[Trial]:
    """Look at each technique alone, or with its company where it gains little without.

    What is faster and keeps its guarantee goes into `survivors`; what is not clear, or found no time, into `unclear`.
    """
    for number, one in enumerate(cheap):
        spare_s, waiting = _spare_s(lab, survivors, share=share), len(cheap) - number
        if spare_s < least_cost_s(lab):
            unclear[one] = blank(one, Verdict.INCONCLUSIVE, "not measured: budget used up by likelier ones")
            continue
        budget_s = max(FIRST_LOOK * spare_s / waiting, least_cost_s(lab))
        trial = experiment(lab, one, (), budget_s=budget_s, company=company_of(one, cheap))
        if trial.verdict is Verdict.INCONCLUSIVE and trial.gate is None:
            unclear[one] = trial
            continue
        if trial.verdict is Verdict.KEPT:
            survivors[one] = trial
        yield trial


def _grow(lab: Laboratory, survivors: Kept, cheap: list[Technique], plan: Kept, *, share: float) -> Iterator[Trial]:
    """Add survivors to `plan` one by one, the largest gain first, each if it helps beside those that are there."""
    ordered = sorted(survivors, key=lambda one: _gain(survivors[one]), reverse=True)
    for number, one in enumerate(ordered):
        if one in plan:  # it came with another
            continue
        base, company = tuple(plan), company_of(one, cheap, plan)
        if not plan:
            yield from _taken(plan, one, survivors[one], company)
            continue
        why = conflict([other.card for other in (*base, *company, one)])
        if why is not None:
            yield blank(one, Verdict.NOT_APPLICABLE, f"{why}, which gains more", base)
            continue
        left_s = lab.budget.left_s(share) - confirmation_s(lab, plan)
        if left_s < least_cost_s(lab):
            yield blank(one, Verdict.INCONCLUSIVE, f"budget: not tried{messages.beside(names(base))}", base)
            continue
        budget_s = max(FIRST_LOOK * left_s / (len(ordered) - number), least_cost_s(lab))
        trial = experiment(lab, one, base, budget_s=budget_s, company=company)
        if trial.verdict is Verdict.KEPT:
            yield from _taken(plan, one, trial, company)
        yield trial


def _taken(plan: Kept, one: Technique, trial: Trial, company: Plan) -> Iterator[Trial]:
    """Put a technique into the plan, after its company, and yield the trials of these."""
    for other in company:
        plan[other] = blank(other, Verdict.KEPT, f"used with {one.card.name}, which says what they gain together")
        yield plan[other]
    plan[one] = trial


def _add_costly(lab: Laboratory, costly: list[Technique], plan: Kept, *, share: float) -> Iterator[Trial]:
    """Try techniques that cost much once beside the plan only: alone they would cost it twice."""
    for one in costly:
        base, left_s = tuple(plan), lab.budget.left_s(share) - confirmation_s(lab, plan)
        setup_s = one.card.setup_s
        why = conflict([other.card for other in (*base, one)])
        if why is not None:
            yield blank(one, Verdict.NOT_APPLICABLE, f"{why}, which is kept", base)
            continue
        if left_s < setup_s + least_cost_s(lab) and cannot_pay(one.card, lab.recipe, lab.step_s) is None:
            yield blank(one, Verdict.INCONCLUSIVE, f"budget: it takes {seconds(setup_s)} or more once", base)
            continue
        trial = experiment(lab, one, base, budget_s=left_s)
        if trial.verdict is Verdict.KEPT:
            plan[one] = trial
        yield trial


def _look_again(lab: Laboratory, unclear: Kept, cheap: list[Technique], plan: Kept, *, share: float) -> Iterator[Trial]:
    """Spend what is left on what is not clear yet, beside the plan, the most promising first and longer than before."""

    def promise(one: Technique) -> float:
        measured = unclear[one].speedup
        return max(measured.value if measured is not None else 1.0, lab.hints.gain(one))

    ordered = sorted(unclear, key=promise, reverse=True)
    for number, one in enumerate(ordered):
        base, company, earlier = tuple(plan), company_of(one, cheap, plan), unclear[one]
        why = conflict([other.card for other in (*base, *company, one)])
        if one in plan:
            continue
        if why is not None:
            yield blank(one, Verdict.NOT_APPLICABLE, f"{why}, which is kept", base)
            continue
        spare_s = _spare_s(lab, plan, share=share)
        budget_s = max(spare_s / (len(ordered) - number), LONGER * earlier.spent_s, least_cost_s(lab))
        if budget_s > spare_s:
            yield earlier
            continue
        trial = experiment(lab, one, base, budget_s=budget_s, company=company)
        if trial.verdict is Verdict.KEPT:
            yield from _taken(plan, one, trial, company)
        yield trial


def _prune(lab: Laboratory, plan: Kept, *, share: float) -> Iterator[Trial]:
    """Leave each technique of `plan` out once, and drop it if that costs less than the least difference.

    The one that was added last has just been measured against all the others, unless another one has gone since. What
    is left must pass the gate of its guarantee like every other combination; if it does not, the last one is dropped,
    until it does.
    """
    last = next(reversed(plan), None)
    dropped = False
    for one in list(plan):
        left_s = lab.budget.left_s(share) - confirmation_s(lab, plan)
        if len(plan) < 2 or (one is last and not dropped) or left_s < least_cost_s(lab):
            continue
        budget_s, rest = max(least_cost_s(lab), left_s / len(plan)), tuple(other for other in plan if other is not one)
        until_s = min(now_s() + OVERRUN * budget_s, lab.budget.hard_stop_s - confirmation_s(lab, plan))
        trial = told(one, rest, lambda one=one, rest=rest, s=budget_s: _left_out(lab, one, rest, s), until_s=until_s)
        if trial.verdict is Verdict.INCONCLUSIVE:  # not measured: nothing speaks against it
            continue
        if trial.verdict is Verdict.KEPT:
            before = plan[one]
            trial = plan[one] = msgspec.structs.replace(
                trial, gate=before.gate, setup_s=before.setup_s, accepted=before.accepted
            )
        else:
            del plan[one]
            dropped = True
        yield trial
    while plan and frozenset(plan) not in lab.proven:
        one = next(reversed(plan))
        plan_now, until_s = tuple(plan), lab.budget.hard_stop_s - confirmation_s(lab, plan)
        trial = told(one, plan_now[:-1], lambda one=one, p=plan_now: proven(lab, p, plan[one]), until_s=until_s)
        if trial.verdict is not Verdict.KEPT:
            del plan[one]
            yield trial


def _left_out(lab: Laboratory, one: Technique, rest: Plan, budget_s: float) -> Trial:
    """Return what a technique that was kept adds to the rest of the plan; it must still add something."""
    found = compared(lab, rest, (*rest, one), budget_s=budget_s)
    trial = judged(one, rest, found)
    if trial.speedup is None:
        return trial
    if found.verdict is not Speed.FASTER and found.ratio.value < 1 + found.delta:
        return msgspec.structs.replace(trial, verdict=Verdict.NO_DIFFERENCE)
    return msgspec.structs.replace(trial, verdict=Verdict.KEPT)  # it helped before, and nothing speaks against it now


def _gain(trial: Trial) -> float:
    return trial.speedup.value if trial.speedup is not None else 0.0
