"""One experiment: a technique against the same recipe without it, and the verdict."""

from collections.abc import Callable

import msgspec

from hasten.base.errors import Refused, error_text
from hasten.base.records.comparison import Comparison
from hasten.base.records.comparison import Verdict as Speed
from hasten.base.records.trial import Gate, Trial, Verdict
from hasten.base.units import seconds
from hasten.measurement.confidence_sequence import FEWEST_READINGS
from hasten.techniques.applying import conflict, knobs_of, why_refused
from hasten.training.effects import has_check, why_without_effect
from hasten.training.technique import Technique
from hasten.tuning import messages
from hasten.tuning.break_even import cannot_pay, not_earned_back
from hasten.tuning.budget import OutOfTime, ends_by, now_s
from hasten.tuning.context import (
    Laboratory,
    Plan,
    bench_of,
    compared,
    confirmation_s,
    least_cost_s,
    recipe_with,
)
from hasten.tuning.gates import judge, loosest, steps_of
from hasten.tuning.reference_step import NoReference

MEMORY = "near_memory_limit"
OVERRUN = 1.5
"""Times its time that an experiment may take, with building, warming up and its gate, before it is stopped..."""
OVERRUN_OF_ALL = 0.15
"""... but at least this share of the whole budget."""


def blank(one: Technique, verdict: Verdict, reason: str, base: Plan = ()) -> Trial:
    """Return the trial of a technique of which nothing was measured."""
    return Trial(
        technique=one.card.name,
        guarantee=one.card.guarantee,
        verdict=verdict,
        reason=reason,
        knobs=knobs_of(one),
        base=names(base),
    )


def names(plan: Plan) -> tuple[str, ...]:
    """Return the names of the techniques of a plan."""
    return tuple(one.card.name for one in plan)


def experiment(lab: Laboratory, one: Technique, base: Plan, *, budget_s: float, company: Plan = ()) -> Trial:
    """Measure what a technique, with its company, adds to a plan, and prove its guarantee if it is faster.

    What the technique raises is reported in the trial: a broken technique must not end the tuning. An experiment that
    takes far longer than its budget is stopped, in time to measure the plan so far afresh.

    Args:
        lab: where the experiment is made.
        one: what is tried.
        base: what both sides have.
        budget_s: seconds for all of it.
        company: techniques that come with it.
    """
    plan = (*base, *company, one)
    guarantee = loosest(member.card.guarantee for member in plan)
    gate_s = steps_of(guarantee) * lab.step_s if guarantee is not None else 0.0
    setup_s = 2 * one.card.setup_s
    limit_s = max(OVERRUN * budget_s, OVERRUN_OF_ALL * lab.budget.total_s) + setup_s + 2 * gate_s
    until_s = min(now_s() + limit_s, lab.budget.hard_stop_s - confirmation_s(lab, plan))
    return told(one, base, lambda: _against(lab, one, base, budget_s=budget_s, company=company), until_s=until_s)


def told(one: Technique, base: Plan, make: Callable[[], Trial], *, until_s: float) -> Trial:
    """Return the trial that `make` returns, or one with what it raised; with the seconds it took.

    Args:
        one: what is tried.
        base: what both sides have.
        make: does it.
        until_s: the moment at which it is stopped.
    """
    began = now_s()
    try:
        with ends_by(until_s):
            trial = make()
    except OutOfTime:
        why = f"budget: stopped after {seconds(now_s() - began)}, before there was a result"
        trial = blank(one, Verdict.INCONCLUSIVE, why, base)
    except Refused as error:
        trial = blank(one, Verdict.NOT_APPLICABLE, str(error), base)
    except NoReference as error:
        trial = blank(one, Verdict.INCONCLUSIVE, str(error), base)
    except Exception as error:  # noqa: BLE001  (techniques come from other packages too; anything may be raised)
        trial = blank(one, Verdict.FAILED, error_text(error), base)
    return msgspec.structs.replace(trial, spent_s=now_s() - began)


def _against(lab: Laboratory, one: Technique, base: Plan, *, budget_s: float, company: Plan) -> Trial:
    began = now_s()
    plan = (*base, *company, one)
    why = conflict([other.card for other in plan]) or why_refused(one, recipe_with(lab, plan[:-1]), lab.machine)
    why = why or cannot_pay(one.card, lab.recipe, lab.step_s)
    if why is not None:
        return blank(one, Verdict.NOT_APPLICABLE, why, base)
    least_s = least_cost_s(lab) + one.card.setup_s
    if not lab.budget.holds(least_s):
        return blank(one, Verdict.INCONCLUSIVE, f"budget: it needs about {seconds(least_s)}", base)
    bench = bench_of(lab, plan)
    if has_check(one) and (why := why_without_effect(one, bench.watched_step())) is not None:
        return blank(one, Verdict.NO_EFFECT, why, base)
    setup_s = lab.setup_s[one] = max(0.0, bench.setup_s - bench_of(lab, base).setup_s)
    left_s = max(budget_s - (now_s() - began), FEWEST_READINGS * lab.pair_s)
    found = compared(lab, base, plan, budget_s=left_s)
    trial = msgspec.structs.replace(
        judged(one, base, found, company),
        setup_s=setup_s,
        peak_bytes=bench.peak_bytes() if MEMORY in one.card.treats else None,
    )
    if trial.verdict is not Verdict.KEPT:
        return trial
    wasted = not_earned_back(found, setup_s, lab.recipe)
    if wasted is not None:
        return msgspec.structs.replace(trial, verdict=Verdict.SLOWER, reason=wasted)
    return proven(lab, plan, trial)


def judged(one: Technique, base: Plan, found: Comparison, company: Plan = ()) -> Trial:
    """Return the trial that a comparison of `base` with all three together amounts to, by its speed alone."""
    if found.pairs < FEWEST_READINGS:
        why = f"not measured: the budget ended after {found.pairs} of at least {FEWEST_READINGS} pairs"
        return blank(one, Verdict.INCONCLUSIVE, messages.together(names(company)) + why, base)
    verdict, sentence = _by_speed(found)
    trial = blank(one, verdict, messages.together(names(company)) + sentence(found, names(base)), base)
    return msgspec.structs.replace(trial, speedup=found.ratio)


def _by_speed(found: Comparison) -> tuple[Verdict, Callable[[Comparison, tuple[str, ...]], str]]:
    if found.verdict is Speed.FASTER:
        return Verdict.KEPT, messages.faster
    if found.verdict is Speed.SLOWER:
        return Verdict.SLOWER, messages.slower
    if found.verdict is Speed.NO_DIFFERENCE or found.ratio.high < 1 + found.delta:
        return Verdict.NO_DIFFERENCE, messages.no_difference
    return Verdict.INCONCLUSIVE, messages.unclear


def proven(lab: Laboratory, plan: Plan, trial: Trial) -> Trial:
    """Return the trial of a faster plan with its gate: kept if the plan keeps its guarantee.

    Techniques that were accepted are kept without that proof; the rest of the plan is proven without them.
    """
    accepted = tuple(one for one in plan if one.card.name in lab.accept)
    checked = _gated(lab, plan, trial)
    if checked.verdict is Verdict.KEPT or not accepted:
        return checked
    rest = tuple(one for one in plan if one not in accepted)
    alone = _gated(lab, rest, trial) if rest and frozenset(rest) not in lab.proven else trial
    if alone.verdict is not Verdict.KEPT:
        return alone
    lab.proven.add(frozenset(plan))
    if trial.technique not in names(accepted):
        return alone
    why = f"{trial.reason}; accepted without proof: {checked.gate.detail if checked.gate else checked.reason}"
    return msgspec.structs.replace(trial, reason=why, gate=checked.gate, accepted=True)


def _gated(lab: Laboratory, plan: Plan, trial: Trial) -> Trial:
    guarantee = loosest(one.card.guarantee for one in plan)
    assert guarantee is not None, "techniques that no gate can prove are judged by whole trainings"
    cost_s = steps_of(guarantee) * lab.step_s
    if not lab.budget.holds(cost_s):
        why = f"budget: faster ({trial.reason}), but its proof needs about {seconds(cost_s)}"
        return msgspec.structs.replace(trial, verdict=Verdict.INCONCLUSIVE, reason=why)
    try:
        gate = judge(recipe_with(lab, plan), guarantee, lab.reference)
    except NoReference as error:
        why = f"faster ({trial.reason}), but {error}"
        return msgspec.structs.replace(trial, verdict=Verdict.INCONCLUSIVE, reason=why)
    if gate.passed:
        lab.proven.add(frozenset(plan))
        return msgspec.structs.replace(trial, gate=gate)
    return broken(trial, gate)


def broken(trial: Trial, gate: Gate) -> Trial:
    """Return the trial of a plan that is faster but does not keep its guarantee."""
    why = f"faster ({trial.reason}), but not {gate.guarantee}: {gate.detail}"
    return msgspec.structs.replace(trial, verdict=Verdict.INACCURATE, reason=why, gate=gate)
