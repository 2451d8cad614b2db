"""Tuning: try techniques in paired experiments and return the plan that they prove."""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from hasten.base.errors import BadInput, error_text
from hasten.base.records.history import Forecast
from hasten.base.records.machine import Machine
from hasten.base.records.plan import Choice, Plan
from hasten.base.records.record import Interval
from hasten.base.records.trial import Trial, Tuning, Verdict
from hasten.base.stages import FREE, Guarantee
from hasten.base.units import percent, plural, seconds
from hasten.measurement.statistics import product_of_ratios
from hasten.techniques.applying import in_order, knobs_of, make, why_not_beside_uses, why_refused
from hasten.techniques.registry import technique, techniques
from hasten.training.recipe import Recipe
from hasten.training.technique import Technique
from hasten.tuning import messages
from hasten.tuning.begin import why_not_begun
from hasten.tuning.budget import OutOfTime, now_s
from hasten.tuning.confirm import confirmed, no_luckier
from hasten.tuning.context import Hints, Laboratory, open_laboratory, silent
from hasten.tuning.convergence import Followed
from hasten.tuning.known import opened, versions_of
from hasten.tuning.selection import Kept, Selection, noise_of
from hasten.tuning.state import forget_compiled, many_compilations, untouched
from hasten.tuning.study import joined
from hasten.tuning.trials import blank, names, told

FREE_SHARE = 0.4
"""Of the budget, for all techniques that gates can prove, where others are tried after them by whole trainings."""
REFUSAL_SHARE = 0.25
"""Of the budget: to ask one technique whether it applies may take a measurement, and is stopped after this."""

LEAST_SHARE = 0.02
"""Of a step's time: a stage that takes less has nothing to give that could be told from noise."""


def tune(
    recipe: Recipe,
    machine: Machine,
    *,
    budget_s: float,
    allow: frozenset[Guarantee] = FREE,
    only: Iterable[Technique | str] | None = None,
    exclude: Collection[str] = (),
    accept: Collection[str] = (),
    hints: Hints | None = None,
    keep_in: Path | None = None,
    study: str | None = None,
    fresh: bool = False,
    tell: Callable[[str], object] = silent,
) -> Iterator[Trial | Tuning]:
    """Yield every trial as it is known; the last item is the whole tuning with its plan.

    Between two items the process is as it was found: random generators, torch's settings, compiled code.

    Args:
        recipe: the baseline, with no technique.
        machine: what it runs on.
        budget_s: seconds that tuning may take. What is not reached is reported as inconclusive. Everything ends
            within it, but for the step that is under way.
        allow: guarantees that a technique may give to be tried.
        only: the techniques to try, by name or with their knobs; None for all.
        exclude: names of techniques not to try.
        accept: names of techniques that are kept if they are faster, although their guarantee is not proven. They
            must have one that a gate could prove.
        hints: what a profile lets one expect, if there is one.
        keep_in: the cache folder, where the evidence is kept; what earlier tunings of this training found is not
            measured again, and their time counts for the budget. The plan is measured afresh. None keeps nothing.
        study: URL of a database in which workers share their evidence instead, in an Optuna study; then nothing is kept
            in the cache folder. The caller lets no other worker measure on this machine (`hasten.tuning.study.alone`).
        fresh: ignore what was found before.
        tell: called with what the budget can decide, before it is spent.

    Raises:
        BadInput: if the budget is not positive, a name is unknown, or one in `accept` has no gate.
    """
    if not budget_s > 0:
        raise BadInput(f"the budget of tuning must be above 0 s; found {budget_s}.")
    for name in exclude:
        technique(name)
    chosen = [make(one) if isinstance(one, str) else one for one in (techniques() if only is None else only)]
    chosen = [one for one in chosen if one.card.name not in exclude]
    check_accepted(accept)
    lab = open_laboratory(recipe, machine, budget_s, hints=hints, accept=accept)
    lab.tell = tell
    if study is not None:
        return _apart(_in_study(lab, chosen, allow, study, fresh=fresh))
    return _apart(_by_itself(lab, chosen, allow, keep_in, fresh=fresh))


def check_accepted(names: Collection[str]) -> None:
    """Raise `BadInput` unless each is the name of a technique with a guarantee that a gate could prove."""
    for name in names:
        guarantee = technique(name).card.guarantee
        if guarantee not in FREE:
            raise BadInput(
                f"{name} cannot be accepted without proof: it changes the training trajectory or the model, which "
                f"whole trainings judge. Pass --allow {guarantee} to have it judged."
            )


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


def _by_itself(
    lab: Laboratory, chosen: list[Technique], allow: frozenset[Guarantee], keep_in: Path | None, *, fresh: bool
) -> Iterator[Trial | Tuning]:
    """Make the experiments, with the evidence in a file of this machine's."""
    if keep_in is not None:
        lab.store = opened(lab.recipe, lab.machine, keep_in, fresh=fresh)
    yield from _experiments(lab, chosen, allow)


def _in_study(
    lab: Laboratory, chosen: list[Technique], allow: frozenset[Guarantee], url: str, *, fresh: bool
) -> Iterator[Trial | Tuning]:
    """Make the experiments as one worker of a study."""
    with joined(url, lab.recipe, lab.machine, fresh=fresh) as store:
        lab.store = store
        for item in _experiments(lab, chosen, allow):
            if isinstance(item, Tuning):
                store.conclude(item.speedup)
            yield item


def _experiments(lab: Laboratory, chosen: list[Technique], allow: frozenset[Guarantee]) -> Iterator[Trial | Tuning]:
    """Rule out, try what gates can prove, measure that plan afresh, then judge the rest by whole trainings."""
    found, free, paths = _Found(), list[Technique](), list[Technique]()
    for one in chosen:
        trial = _ruled_out(lab, one, allow)
        if trial is not None:
            yield found.add(trial)
        else:
            (free if one.card.guarantee in FREE else paths).append(one)
    if free:
        yield from map(found.add, _proven_by_gates(lab, free, found, share=FREE_SHARE if paths else 1.0))
    if paths:
        followed = Followed(lab, paths, found.plan)
        yield from map(found.add, followed.trials())
        found.count(followed)
    if lab.store.note:
        found.remarks.append(lab.store.note)
    yield _tuning(lab, found)


@dataclass
class _Found:
    """What tuning has found so far."""

    trials: list[Trial] = field(default_factory=list[Trial])
    plan: Kept = field(default_factory=Kept)
    noise: Interval | None = None
    speedup: Interval | None = None
    forecast: Forecast | None = None
    remarks: list[str] = field(default_factory=list[str])

    def add(self, trial: Trial) -> Trial:
        """Note a trial and return it."""
        self.trials.append(trial)
        return trial

    def count(self, followed: Followed) -> None:
        """Multiply the speed-up by what the techniques that trainings judged have gained."""
        gain = followed.speedup
        if gain is not None:
            self.speedup = gain if self.speedup is None else product_of_ratios(self.speedup, gain)
        if followed.remark:
            self.remarks.append(followed.remark)


def _ruled_out(lab: Laboratory, one: Technique, allow: frozenset[Guarantee]) -> Trial | None:
    """Return the trial of a technique that need not be measured, or None."""
    card = one.card
    if (why := why_not_beside_uses(one, lab.recipe)) is not None:
        return blank(one, Verdict.NOT_APPLICABLE, why)
    if card.guarantee not in allow:
        why = f"changes more than rounding; pass --allow {card.guarantee} to try it"
        return blank(one, Verdict.NOT_ALLOWED, why)
    if not card.saves_time:
        why = "does not save time, so it was not measured; a plan may still use it"
        return blank(one, Verdict.NOT_APPLICABLE, why)

    def ask() -> Trial:
        why = why_refused(one, lab.recipe, lab.machine)
        return blank(one, Verdict.NOT_APPLICABLE if why is not None else Verdict.INCONCLUSIVE, why or "")

    until_s = min(now_s() + REFUSAL_SHARE * lab.budget.total_s, lab.budget.hard_stop_s)
    trial = told(one, (), ask, until_s=until_s)
    return trial if trial.reason else None


def _too_little_time(lab: Laboratory, one: Technique) -> str | None:
    """Return why the technique's stage costs too little to be worth an experiment, or None."""
    stage = one.card.saves_in or one.card.stage
    share = lab.hints.share(stage, lab.step_s)
    if share is None or share >= LEAST_SHARE or one.card.guarantee not in FREE:
        return None
    return f"{stage} takes {percent(share)} of a step: at most {1 / (1 - share):.2f}x could be gained"


def _proven_by_gates(lab: Laboratory, free: list[Technique], found: _Found, *, share: float) -> Iterator[Trial]:
    """Search among techniques that gates can prove, then measure the plan afresh; it is empty if that shows no gain."""
    if (why := why_not_begun(lab)) is not None:
        found.remarks.append(why)
        yield from (blank(one, Verdict.INCONCLUSIVE, "not measured: the budget is too short") for one in free)
        return
    likely = list[Technique]()
    for one in free:
        why = _too_little_time(lab, one)
        if why is not None:
            yield blank(one, Verdict.NOT_APPLICABLE, why)
        else:
            likely.append(one)
    selection = Selection(lab, likely, share=share)
    if lab.earlier_s:
        spent = seconds(selection.earlier.spent_s)
        found.remarks.append(f"Earlier tuning of {spent} is taken up, whose time counts; --fresh starts anew.")
    yield from (trial for trial in selection.trials() if trial.verdict is not Verdict.KEPT)
    found.plan, found.noise, lab.smallest = selection.plan, noise_of(selection.search), selection.search.threshold()
    lab.noise, lab.drift = selection.search.fit.noise, selection.search.drift()
    found.remarks += _about_noise(lab, found.noise)
    expected = selection.expected() if found.plan else None
    measured, found.speedup, remark = _measured_afresh(lab, found.plan, expected, share=share)
    if found.plan:
        labels = tuple(_choice(one, found.plan[one]).label for one in in_order(found.plan))
        found.forecast = Forecast(plan=labels, expected=expected, measured=measured)
    unclear = sum(trial.verdict is Verdict.INCONCLUSIVE for trial in found.trials)
    found.remarks.append(f"{remark} The budget was too short to be clear about {unclear}." if unclear else remark)
    if found.speedup is None:
        yield from (blank(one, Verdict.INCONCLUSIVE, remark) for one in found.plan)
        found.plan.clear()
    yield from found.plan.values()


def _about_noise(lab: Laboratory, noise: Interval | None) -> list[str]:
    free = lab.free
    if free.threads is not None:
        threads, longer = plural(free.threads, "thread"), ""
        if free.best is not None:
            longer = (
                f" A step on all threads took {free.on_all:.1f}x as long: while that work lasts, train with "
                f"OMP_NUM_THREADS={free.best}."
            )
        return [f"Other work keeps this machine busy: blocks were timed by the processor on {threads}.{longer}"]
    if noise is not None and not noise.low <= 1 <= noise.high:
        factor = f"{noise.value:.2f}"
        return [f"This machine is not steady: the same code timed against itself differs by a factor of {factor}."]
    return []


def _measured_afresh(
    lab: Laboratory, plan: Kept, expected: Interval | None, *, share: float
) -> tuple[Interval | None, Interval | None, str]:
    """Return what pairs of blocks afresh say of a plan, how many times faster it is, and a remark.

    The first is None where nothing was measured, the second also where no gain is significant.
    """
    if not plan:
        return None, None, "No technique was proven to make training faster here."
    what = ", ".join(names(tuple(plan)))
    try:
        measured = confirmed(lab, tuple(plan), share=share)
    except OutOfTime:
        why = f"{what}: dropped, since the budget ended before the plan could be measured afresh.{_goes_on(lab)}"
        return None, None, why
    except Exception as error:  # noqa: BLE001  (techniques come from other packages too; anything may be raised)
        return None, None, f"{what}: dropped, since it failed when measured afresh: {error_text(error)}."
    speedup, beside = no_luckier(measured, expected), ""
    if speedup is not measured:
        beside = f", and {messages.ratio(speedup)} by all blocks before, which counts: other work slowed the baseline"
    if speedup.low <= 1:
        lab.store.forget()
        return measured, None, f"{what}: re-measured at {messages.ratio(measured)}{beside}, not significant; dropped."
    return measured, speedup, f"Measured afresh, the plan is {messages.ratio(measured)} as fast{beside}."


def _goes_on(lab: Laboratory) -> str:
    return " The next tuning starts from what is kept." if lab.store.kept else ""


def _tuning(lab: Laboratory, found: _Found) -> Tuning:
    return Tuning(
        task=lab.recipe.task.name,
        budget_s=lab.budget.total_s,
        spent_s=lab.budget.spent_s,
        noise=found.noise,
        smallest_difference=lab.smallest,
        trials=tuple(found.trials),
        plan=Plan(
            task=lab.recipe.task.name,
            choices=tuple(_choice(one, found.plan[one]) for one in in_order(found.plan)),
            machine=lab.machine.cpu,
            versions=versions_of(lab.machine),
        ),
        speedup=found.speedup,
        forecast=found.forecast,
        threads=lab.free.best,
        remark=" ".join(found.remarks),
    )


def _choice(one: Technique, trial: Trial) -> Choice:
    detail = f": {trial.gate.detail}" if trial.gate is not None else ""
    note = f"accepted without proof{detail}" if trial.accepted else ""
    return Choice(technique=one.card.name, knobs=knobs_of(one), gain=trial.speedup, note=note)
