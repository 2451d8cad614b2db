"""Tuning: try techniques in paired experiments and return the plan that they prove."""

from collections.abc import Collection, Iterable, Iterator, Mapping

from hasten.base.errors import BadInput
from hasten.base.records.comparison import NoiseFloor
from hasten.base.records.interval import Interval
from hasten.base.records.machine import Machine
from hasten.base.records.plan import Choice, Plan
from hasten.base.records.trial import Trial, Tuning, Verdict
from hasten.base.stages import FREE, Guarantee, Stage
from hasten.base.units import percent, seconds
from hasten.techniques.applying import in_order, knobs_of, make
from hasten.techniques.registry import technique, techniques
from hasten.training.recipe import Recipe
from hasten.training.technique import Technique
from hasten.tuning import messages
from hasten.tuning.break_even import EXPECTED_SETUP_S
from hasten.tuning.confirm import confirmed
from hasten.tuning.context import Laboratory, least_cost_s, measured_noise, open_laboratory
from hasten.tuning.convergence import follow
from hasten.tuning.experiment import blank, error_text, names
from hasten.tuning.ratios import product
from hasten.tuning.screening import screen
from hasten.tuning.selection import Kept, add_costly, grow, prune
from hasten.tuning.state import forget_compiled, many_compilations, untouched

SCREENING_SHARE, GROWING_SHARE, PRUNING_SHARE = 0.55, 0.75, 0.85
"""Of the budget, counted from its start: when each phase must be over. The rest is for the last measurement."""
FREE_SHARE = 0.4
"""Of the budget, for all techniques that gates can prove, where others are tried after them by whole trainings."""

LEAST_SHARE = 0.02
"""Of a step's time: a stage that takes less has nothing to give that could be told from noise."""
NOT_ABOUT_TIME = frozenset({"near_memory_limit", "memory_hog", "exploding_gradient"})
"""Symptoms whose remedies cost time rather than save it: no experiment about speed is spent on those."""


def tune(
    recipe: Recipe,
    machine: Machine,
    *,
    budget_s: float,
    allow: frozenset[Guarantee] = FREE,
    only: Iterable[Technique | str] | None = None,
    exclude: Collection[str] = (),
    shares: Mapping[Stage, float] | None = None,
) -> Iterator[Trial | Tuning]:
    """Yield every trial as it is known; the last item is the whole tuning with its plan.

    Between two items the process is as it was found: random generators, torch's settings, compiled code.

    Args:
        recipe: the baseline, with no technique.
        machine: what it runs on.
        budget_s: seconds that tuning may take. What is not reached is reported as not proven. No experiment is begun
            that would pass 1.5 times the budget.
        allow: guarantees that a technique may give to be tried.
        only: the techniques to try, by name or with their knobs; None for all.
        exclude: names of techniques not to try.
        shares: of the step's time, by stage, where known. A technique whose stage takes less than `LEAST_SHARE` is not
            tried: it could gain no more, even if it made its stage free.

    Raises:
        BadInput: if the budget is not positive or a name is unknown.
    """
    if not budget_s > 0:
        raise BadInput(f"the budget of tuning must be above 0 s; found {budget_s}.")
    for name in exclude:
        technique(name)
    chosen = [make(one) if isinstance(one, str) else one for one in (techniques() if only is None else only)]
    chosen = [one for one in chosen if one.card.name not in exclude]
    lab = open_laboratory(recipe, machine, budget_s)
    return _apart(_experiments(lab, chosen, allow, shares or {}))


def _apart(items: Iterator[Trial | Tuning]) -> Iterator[Trial | Tuning]:
    """Yield the items, each made in a process that is then put back as it was."""
    try:
        while True:
            with untouched(), many_compilations():
                item = next(items, None)
            if item is None:
                return
            yield item
    finally:
        forget_compiled()


def _experiments(
    lab: Laboratory, chosen: list[Technique], allow: frozenset[Guarantee], shares: Mapping[Stage, float]
) -> Iterator[Trial | Tuning]:
    trials: list[Trial] = []
    open_ones: list[Technique] = []
    for one in chosen:
        trial = _excluded(lab, one, allow) or _bounded(one, shares)
        if trial is None:
            open_ones.append(one)
        else:
            trials.append(trial)
            yield trial
    plan: Kept = {}
    free = [one for one in open_ones if one.card.guarantee in FREE]
    paths = [one for one in open_ones if one.card.guarantee not in FREE]
    noise, speedup, remarks = None, None, list[str]()
    if free:
        noise = measured_noise(lab)
        remarks += _about_noise(lab, noise)
        for trial in _free_trials(lab, free, plan, share=FREE_SHARE if paths else 1.0):
            trials.append(trial)
            yield trial
        speedup, remark = _confirmed(lab, plan, share=FREE_SHARE if paths else 1.0)
        unclear = sum(trial.verdict is Verdict.INCONCLUSIVE for trial in trials)
        remarks.append(f"{remark} The budget was too short to be clear about {unclear}." if unclear else remark)
        for one in list(plan) if speedup is None else ():
            trials.append(blank(one, Verdict.INCONCLUSIVE, remark))
            del plan[one]
            yield trials[-1]
    for trial in follow(lab, paths, plan) if paths else ():
        trials.append(trial)
        yield trial
        if trial.verdict is Verdict.KEPT and trial.speedup is not None:
            speedup = trial.speedup if speedup is None else product(speedup, trial.speedup)
            remarks.append(f"{trial.technique} was judged by time to quality: {messages.ratio(trial.speedup)}.")
    yield _tuning(lab, trials, plan, noise=noise.ratio if noise else None, speedup=speedup, remark=" ".join(remarks))


def _about_noise(lab: Laboratory, noise: NoiseFloor | None) -> list[str]:
    if noise is None:
        return [f"The budget is too small for one comparison, which takes {seconds(least_cost_s(lab))}."]
    if not noise.stable:
        return [f"This machine is not steady: {noise.remark}; only larger differences count."]
    return []


def _free_trials(lab: Laboratory, free: list[Technique], plan: Kept, *, share: float) -> Iterator[Trial]:
    """Try techniques that gates can prove; those that help together go into `plan`."""
    cheap = [one for one in free if one.card.name not in EXPECTED_SETUP_S]
    survivors: Kept = {}
    yield from screen(lab, cheap, survivors, share=SCREENING_SHARE * share)
    yield from grow(lab, survivors, cheap, plan, share=GROWING_SHARE * share)
    yield from add_costly(lab, [one for one in free if one not in cheap], plan, share=GROWING_SHARE * share)
    yield from prune(lab, plan, share=PRUNING_SHARE * share)


def _excluded(lab: Laboratory, one: Technique, allow: frozenset[Guarantee]) -> Trial | None:
    """Return the trial of a technique that need not be measured, or None."""
    if one.card.guarantee not in allow:
        return blank(one, Verdict.NOT_ALLOWED, f"it changes more than rounding: allow {one.card.guarantee} to try it")
    if one.card.treats and set(one.card.treats) <= NOT_ABOUT_TIME and one.card.guarantee in FREE:
        return blank(
            one, Verdict.NOT_APPLICABLE, "it saves memory or protects, but no time; a plan may name it all the same"
        )
    try:
        why = one.refuse(lab.recipe, lab.machine)
    except Exception as error:  # noqa: BLE001  (techniques come from other packages too; anything may be raised)
        return blank(one, Verdict.FAILED, error_text(error))
    return blank(one, Verdict.NOT_APPLICABLE, why) if why is not None else None


def _bounded(one: Technique, shares: Mapping[Stage, float]) -> Trial | None:
    """Return the trial of a technique whose stage costs too little to be worth an experiment, or None."""
    stage = one.card.saves_in or one.card.stage
    share = shares.get(stage)
    if share is None or share >= LEAST_SHARE or one.card.guarantee not in FREE:
        return None
    reason = f"{stage} takes {percent(share)} of a step: it could gain {1 / (1 - share):.2f}x at the most"
    return blank(one, Verdict.NOT_APPLICABLE, reason)


def _confirmed(lab: Laboratory, plan: Kept, *, share: float) -> tuple[Interval | None, str]:
    """Return how much faster the plan is when measured afresh, None if it is not, and a remark."""
    if not plan:
        return None, "No technique was proven to make training faster here."
    what = ", ".join(names(tuple(plan)))
    try:
        speedup = confirmed(lab, tuple(plan), share=share)
    except Exception as error:  # noqa: BLE001  (techniques come from other packages too; anything may be raised)
        return None, f"Measured afresh, {what} failed, so the plan does without: {error_text(error)}."
    if speedup.low > 1:
        return speedup, f"Measured afresh, the plan is {messages.ratio(speedup)} as fast."
    return None, f"Measured afresh, {what} came to {messages.ratio(speedup)}: not faster, so the plan does without."


def _tuning(
    lab: Laboratory,
    trials: list[Trial],
    plan: Kept,
    *,
    noise: Interval | None,
    speedup: Interval | None,
    remark: str,
) -> Tuning:
    choices = tuple(
        Choice(technique=one.card.name, knobs=knobs_of(one), gain=plan[one].speedup) for one in in_order(plan)
    )
    return Tuning(
        task=lab.recipe.task.name,
        budget_s=lab.budget.total_s,
        spent_s=lab.budget.spent_s,
        noise=noise,
        smallest_difference=lab.smallest,
        trials=tuple(trials),
        plan=Plan(task=lab.recipe.task.name, choices=choices, machine=lab.machine.cpu),
        speedup=speedup,
        remark=remark,
    )
