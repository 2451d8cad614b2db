"""Each technique against the baseline, alone or with its company: which of them help at all."""

from collections.abc import Iterator

from hasten.base.records.trial import Trial, Verdict
from hasten.training.technique import Technique
from hasten.tuning.context import Laboratory, Plan, least_cost_s
from hasten.tuning.experiment import blank, experiment
from hasten.tuning.selection import Kept, company_of

FIRST_LOOK_SHARE = 0.6
"""Of the time for screening; the rest goes to what looked promising but was not clear yet."""

LONGER = 1.35
"""Times its share that screening may take while there is nothing to combine."""


def screen(lab: Laboratory, free: list[Technique], survivors: Kept, *, share: float) -> Iterator[Trial]:
    """Measure each technique; those that are faster and keep their guarantee go into `survivors`.

    Each is measured alone, or with its company where it gains little without.

    Everybody gets a short look; what is promising but not clear of the noise then shares the time that is left, the
    most promising first. A technique's trial is yielded once, when nothing more will be done for it.

    Args:
        lab: where the experiments are made.
        free: what is tried.
        survivors: filled.
        share: of the budget, counted from its start, that must not be passed.
    """
    with_company = {one: company_of(one, free) for one in free}
    unclear: dict[Technique, Trial] = {}
    for number, one in enumerate(free):
        left_s = lab.budget.left_s(FIRST_LOOK_SHARE * share)
        trial = _look(lab, one, with_company[one], left_s=left_s, waiting=len(free) - number)
        if trial.verdict is Verdict.INCONCLUSIVE and trial.gate is None:
            unclear[one] = trial
            continue
        if trial.verdict is Verdict.KEPT:
            survivors[one] = trial
        yield trial
    ordered = sorted(unclear, key=lambda one: _promise(unclear[one]), reverse=True)
    for number, one in enumerate(ordered):
        left_s = lab.budget.left_s(share * (LONGER if len(survivors) < 2 else 1.0))
        again = left_s > max(least_cost_s(lab), unclear[one].spent_s)
        waiting = len(ordered) - number
        trial = _look(lab, one, with_company[one], left_s=left_s, waiting=waiting) if again else unclear[one]
        if trial.verdict is Verdict.KEPT:
            survivors[one] = trial
        yield trial


def _look(lab: Laboratory, one: Technique, company: Plan, *, left_s: float, waiting: int) -> Trial:
    if left_s < least_cost_s(lab):
        return blank(one, Verdict.INCONCLUSIVE, "budget: used up before this one")
    return experiment(lab, one, (), budget_s=left_s / waiting, company=company)


def _promise(trial: Trial) -> float:
    return trial.speedup.value if trial.speedup is not None else 1.0
