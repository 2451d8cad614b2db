"""Check a plan, also a hand-written one, by the numerical gates of its techniques once before it trains."""

import hashlib
import json
from collections.abc import Collection, Sequence
from contextlib import nullcontext
from pathlib import Path
from time import perf_counter

import torch

from hasten.base.errors import BadInput, Refused
from hasten.base.records.machine import Machine
from hasten.base.records.plan import Plan
from hasten.base.records.record import load
from hasten.base.records.trial import Gate, PlanCheck
from hasten.base.stages import FREE, Stage
from hasten.base.units import seconds
from hasten.techniques.applying import apply_all, make
from hasten.training.building import build
from hasten.training.recipe import Recipe
from hasten.training.step import step
from hasten.training.technique import Technique, labels_of
from hasten.tuning.gates import Reference, judge, loosest, steps_of
from hasten.tuning.reference_step import NoReference
from hasten.tuning.state import forget_compiled, many_compilations, untouched

LONGEST_S = 20.0
"""A check that is expected to take longer is not made, which is said."""
PLAN_CHECK = Path("plan_check.json")
"""In the run's folder."""


def check_plan(
    plan: Plan, recipe: Recipe, machine: Machine, *, accept: Collection[str] = (), folder: Path | None = None
) -> PlanCheck | None:
    """Return what the gates say about a plan, or None where it holds no technique.

    The techniques that promise EXACT, ROUNDING or PRECISION are judged together, as in tuning. Others change the
    training on purpose, which no gate can judge; those of the stage `parallel` need several processes. The process is
    left as it was found.

    Args:
        plan: what will be trained.
        recipe: the baseline.
        machine: what it runs on.
        accept: names of techniques that may break their guarantee.
        folder: of a run that is resumed: a check of the same plan and task there is not made again.

    Raises:
        BadInput: if a name to accept is not in the plan.
        Refused: if a technique breaks its guarantee; names it and what differs.
    """
    for name in accept:
        if name not in plan.names:
            raise BadInput(f"--accept {name}: the plan does not use it; it uses {', '.join(plan.names) or 'none'}.")
    if not plan.choices:
        return None
    identity = _identity(plan, recipe)
    earlier = _earlier(folder)
    if earlier is not None and earlier.identity == identity:
        return earlier
    chosen = [make(choice.technique, choice.knobs) for choice in plan.choices]
    judged = [
        one
        for one in chosen
        if one.card.guarantee in FREE and one.card.name not in accept and one.card.stage is not Stage.PARALLEL
    ]
    others = [one.card.name for one in chosen if one not in judged]
    unjudged = f"; no gate judges {', '.join(others)}" if others else ""
    if not judged:
        return PlanCheck(identity=identity, text=f"plan not checked: no gate judges {', '.join(others)}")
    names = ", ".join(one.card.name for one in judged)
    with untouched():
        gate, why_not = _judged(judged, recipe, machine)
    if gate is None:
        return PlanCheck(identity=identity, text=f"plan not checked ({names}): {why_not}{unjudged}")
    if not gate.passed:
        with untouched():
            culprit, gate = _culprit(judged, gate, recipe, machine)
        raise Refused(
            f"{culprit} cannot be used on {recipe.task.name!r}: not {gate.guarantee}: {gate.detail}. Leave it out of "
            f"the plan, or pass --accept {culprit.replace(' with ', ',')} to train with it all the same."
        )
    return PlanCheck(identity=identity, gate=gate, text=f"plan checked: {names}: {gate.detail}{unjudged}")


def _judged(chosen: Sequence[Technique], recipe: Recipe, machine: Machine) -> tuple[Gate | None, str]:
    """Return the gate of some techniques together, or None and why it was not asked."""
    guarantee = loosest(one.card.guarantee for one in chosen)
    assert guarantee is not None, "only techniques that a gate can judge"
    try:
        candidate = apply_all(chosen, recipe, machine)
    except (BadInput, Refused) as error:
        return None, f"without the others {error}"
    setup_s = 2 * sum(one.card.setup_s for one in chosen)
    expected_s = steps_of(guarantee) * _step_s(recipe) + setup_s
    if expected_s > LONGEST_S:
        return None, f"it would take about {seconds(expected_s)}, more than {seconds(LONGEST_S)}"
    try:
        with many_compilations() if setup_s else nullcontext():
            return judge(candidate, guarantee, Reference(recipe)), ""
    except NoReference as error:
        return None, str(error)
    finally:
        if setup_s:
            forget_compiled()


def _culprit(chosen: Sequence[Technique], gate: Gate, recipe: Recipe, machine: Machine) -> tuple[str, Gate]:
    """Return the first technique that fails alone, with its gate; all of them where they fail together only."""
    for one in chosen if len(chosen) > 1 else ():
        alone, _ = _judged([one], recipe, machine)
        if alone is not None and not alone.passed:
            return one.card.name, alone
    return " with ".join(one.card.name for one in chosen), gate


def _step_s(recipe: Recipe) -> float:
    """Return the seconds of a warm step of the baseline."""
    run = build(recipe)
    taken = 0.0
    with run.contexts:
        for number, (_, batch) in enumerate(run.batches()):
            began = perf_counter()
            step(run, batch)
            recipe.device.synchronize()
            taken = perf_counter() - began
            if number == 1:
                break
    return taken


def _identity(plan: Plan, recipe: Recipe) -> str:
    """Return a hash of what the gates depend on."""
    shapes = [
        f"{name} {tuple(value.shape)} {value.dtype}" for name, value in recipe.subject.model().state_dict().items()
    ]
    facts = (
        recipe.task.name,
        recipe.task.seed,
        recipe.input.batch_size,
        labels_of(recipe.uses),
        [(choice.technique, sorted(choice.knobs.items())) for choice in plan.choices],
        shapes,
        torch.__version__,
        recipe.parallel.device,
    )
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


def _earlier(folder: Path | None) -> PlanCheck | None:
    """Return the check in a run's folder, or None where there is none that can be read."""
    if folder is None or not (folder / PLAN_CHECK).exists():
        return None
    try:
        return load(PlanCheck, folder / PLAN_CHECK)
    except BadInput:
        return None  # it is made again
