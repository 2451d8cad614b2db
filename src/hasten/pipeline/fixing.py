"""Remedies of findings, tried in paired short trainings from the same seeds."""

import math
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import msgspec

from hasten.base.records.finding import Diagnosis
from hasten.base.records.fix import Fix, Outcome, Tried
from hasten.base.records.health import Health
from hasten.base.records.notices import Activity
from hasten.diagnosis.dynamics.judging import read_losses
from hasten.diagnosis.remedies.catalog import LADDERS, REMEDIES, remedies_of
from hasten.diagnosis.remedies.remedied_watch import RemediedWatch
from hasten.diagnosis.remedies.remedy import Remedy
from hasten.diagnosis.remedies.trial_watch import TrialWatch
from hasten.measurement.statistics import few_ratios
from hasten.pipeline.diagnosing import judged, watched_training
from hasten.pipeline.fix_diff import placed
from hasten.pipeline.ladder import best_rung
from hasten.scripts.running import run_script
from hasten.training.recipe import Recipe

PAIRS = 5
"""One-sided p of a sign flip where all five are better: 1 / 32."""
FINDINGS = 3
"""Root causes whose remedies are tried; the others are looked at again when those are cured."""
CHOOSING = PAIRS + 1
"""The start from which the best of several learning rates is chosen: none of the pairs, which know nothing of it."""
_BETTER = 1e-3
"""Share of the loss that a remedy must take away at least: rounding can take away less, in all pairs alike."""
_LAST = 0.2
"""Share of the steps whose mean loss judges a training without evaluation."""

Run = Callable[[int, str, bool], Health | str]
"""(pair, remedy or "", whether all tiers look) -> what was seen, or why the training could not be made."""


@dataclass(frozen=True)
class Subject:
    """What is trained again and again."""

    run: Run
    source: str = ""  # of the person's script; empty where there is none
    file: str = ""


def of_script(script: Path, arguments: Sequence[str], *, module: bool = False, steps: int | None) -> Subject:
    """Return a script as a subject; its output is not shown again."""

    def run(pair: int, remedy: str, whole: bool) -> Health | str:
        ran = run_script(
            script,
            arguments,
            module=module,
            watch=f"hasten.diagnosis.remedies.{'remedied_watch:RemediedWatch' if whole else 'trial_watch:TrialWatch'}",
            options={"name": script.name, "pair": pair, "remedy": remedy, "steps": steps},
            kind=Health,
            quiet=True,
        )
        if ran.exit_code == 128 + signal.SIGINT:  # an interrupt reaches the script, and ends all trainings
            raise KeyboardInterrupt
        return ran.seen if ran.seen is not None else ran.reason

    file = Path(*str(script).split(".")).with_suffix(".py") if module else script
    return Subject(run, file.read_text(), str(file)) if file.is_file() else Subject(run)


def of_recipe(recipe: Recipe, *, steps: int) -> Subject:
    """Return a recipe as a subject."""

    def run(pair: int, remedy: str, whole: bool) -> Health | str:
        watch = (RemediedWatch if whole else TrialWatch)(name=recipe.task.name, pair=0, remedy=remedy)
        return watched_training(recipe, watch, steps=steps, seed=recipe.task.seed + pair)

    return Subject(run)


def fixed(subject: Subject, diagnosis: Diagnosis, *, show: Callable[[object], None]) -> Diagnosis:
    """Return a diagnosis with what trying the remedies of its findings showed; see `fix`."""
    tried = fix(subject, diagnosis, show=show)
    show(tried)
    return msgspec.structs.replace(diagnosis, fix=tried)


def fix(subject: Subject, diagnosis: Diagnosis, *, show: Callable[[object], None]) -> Fix:
    """Try the remedies of the first findings, one by one, until one cures each.

    A remedy is given up at the first pair in which it is not better. What judges is the loss of the last evaluation,
    or, without one, the mean of the last losses in training. Where the remedy is a higher or a lower learning rate,
    the best one is chosen before, from a start of its own (`best_rung`: five to eight trainings).

    Args:
        subject: to train.
        diagnosis: of it.
        show: called with what is under way, and with each result.
    """
    plain = cache(lambda pair: subject.run(pair, "", False))
    show(Activity(text="one training as it is"))
    first = plain(1)
    evaluated = isinstance(first, Health) and first.dynamics is not None and bool(first.dynamics.evaluations)
    tried: list[Tried] = []
    for finding in diagnosis.findings[:FINDINGS]:
        for name in remedies_of(finding):
            remedy = REMEDIES[name] if name in REMEDIES else _best(name, subject, plain, evaluated=evaluated, show=show)
            show(Activity(text=f"{finding.symptom}: {remedy.what}"))
            one = _tried(subject, plain, finding.symptom, remedy, evaluated=evaluated)
            show(one)
            tried.append(one)
            if one.outcome is Outcome.CURES:
                break
    untreated = tuple(one.symptom for one in diagnosis.findings if not remedies_of(one))
    return Fix(
        tried=tuple(tried),
        judged_by="loss in evaluation" if evaluated else "loss in training",
        steps=first.steps if isinstance(first, Health) else 0,
        pairs=PAIRS,
        not_tried=untreated,
    )


def _best(
    ladder: str,
    subject: Subject,
    plain: Callable[[int], Health | str],
    *,
    evaluated: bool,
    show: Callable[[object], None],
) -> Remedy:
    """Return the remedy of a ladder whose training from the start for choosing ends best."""

    def loss(ran: Health | str) -> float:
        return quality(ran, evaluated=evaluated) if isinstance(ran, Health) else math.inf

    def of(remedy: Remedy) -> float:
        show(Activity(text=f"one training each: {remedy.what}"))
        return loss(subject.run(CHOOSING, remedy.name, False))

    best, looked = best_rung(LADDERS[ladder], of, plain=loss(plain(CHOOSING)))
    return replace(best, what=f"{best.what}, the best of {looked} from one start")


def _tried(
    subject: Subject, plain: Callable[[int], Health | str], symptom: str, remedy: Remedy, *, evaluated: bool
) -> Tried:
    losses: list[tuple[float, float]] = []
    for pair in range(1, PAIRS + 1):
        without = subject.run(pair, remedy.measured_by, False) if remedy.measured_by else plain(pair)
        treated = subject.run(pair, remedy.name, False)
        reason = _why_not(without) or _why_not(treated)
        if reason or not isinstance(without, Health) or not isinstance(treated, Health):
            out = Outcome.NOT_TRIED
            return Tried(symptom=symptom, remedy=remedy.name, what=remedy.what, outcome=out, reason=reason)
        losses.append((quality(without, evaluated=evaluated), quality(treated, evaluated=evaluated)))
        if not better(losses[-1][1], losses[-1][0]):
            break
    helps = len(losses) == PAIRS and better(losses[-1][1], losses[-1][0])
    whole = subject.run(1, remedy.name, True) if helps else ""
    gone = isinstance(whole, Health) and symptom not in {one.symptom for one in judged(whole).findings}
    usable = len(losses) > 1 and all(math.isfinite(one) and one > 0 for pair in losses for one in pair)
    return Tried(
        symptom=symptom,
        remedy=remedy.name,
        what=remedy.what,
        outcome=(Outcome.CURES if gone else Outcome.HELPS) if helps else Outcome.NO_HELP,
        line=remedy.line,
        plain=tuple(_number(without) for without, _ in losses),
        treated=tuple(_number(treated) for _, treated in losses),
        ratio=few_ratios([treated / without for without, treated in losses]) if usable else None,
        p=0.5**PAIRS if helps else 1.0,
        diff=placed(subject.source, remedy, file=subject.file) if helps and subject.source else "",
    )


def better(treated: float, plain: float) -> bool:
    """Return whether a loss is lower than another one by at least 0.1 % of it; any is that is finite, of infinity."""
    return treated < plain - _BETTER * abs(plain) if math.isfinite(plain) else treated < plain


def _why_not(ran: Health | str) -> str:
    """Return why a training tells nothing of a remedy; "" where it does."""
    if isinstance(ran, str):
        return ran.strip().splitlines()[-1] if ran.strip() else "the training ended before its first step"
    return next((trace.strip().splitlines()[-1] for name, trace in ran.failed.items() if name in _INTERVENTIONS), "")


def quality(health: Health, *, evaluated: bool) -> float:
    """Return the loss that judges a training, infinite where it is not a finite number.

    Args:
        health: of the training.
        evaluated: by its last evaluation, not by its last losses.
    """
    if evaluated:
        found = _evaluated(health)
        return math.inf if found is None or not math.isfinite(found) else found
    losses = read_losses(health.dynamics) if health.dynamics is not None else ()
    last = losses[-max(1, int(_LAST * len(losses))) :]
    return math.inf if not last or None in last else sum(one for one in last if one is not None) / len(last)


def _evaluated(health: Health) -> float | None:
    found = health.dynamics.evaluations if health.dynamics is not None else ()
    return found[-1].loss if found else None


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


_INTERVENTIONS = frozenset(type(one.make()).__name__ for one in REMEDIES.values())
