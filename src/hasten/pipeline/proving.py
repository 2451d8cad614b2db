"""A plan that was proven before: whether that was on this machine, and whether it is still faster."""

from hasten.base.records.machine import Machine
from hasten.base.records.plan import Plan
from hasten.base.records.reproof import Reproof, Standing
from hasten.base.stages import FREE
from hasten.measurement.paired import LEAST_DELTA
from hasten.techniques.applying import make
from hasten.training.recipe import Recipe
from hasten.tuning.again import measured_again
from hasten.tuning.known import differing, versions_of


def changed_since(plan: Plan, machine: Machine) -> str:
    """Return what has changed since a plan was proven: the machine, versions; nothing where it was never measured."""
    if not plan.machine:
        return ""
    moved = f"on {plan.machine} (now {machine.cpu})" if plan.machine != machine.cpu else ""
    now = {name: version for name, version in versions_of(machine).items() if name in plan.versions}
    versions = differing(plan.versions, now)
    return " ".join(one for one in (moved, f"with {versions}" if versions else "") if one)


def prove_again(plan: Plan, recipe: Recipe, machine: Machine, *, budget_s: float) -> Reproof:
    """Time a plan against the baseline once more, in pairs, and say whether it is still faster.

    Techniques that change the training on purpose are timed by the sample, too: whether they still reach the same
    quality only whole trainings can say.

    Args:
        plan: at least one technique.
        recipe: the baseline.
        machine: what it runs on.
        budget_s: seconds that it may take.

    Raises:
        Refused: if a technique cannot be used here.
    """
    chosen = [make(choice.technique, choice.knobs) for choice in plan.choices]
    speedup, remark = measured_again(recipe, machine, chosen, budget_s=budget_s)
    others = [one.card.name for one in chosen if one.card.guarantee not in FREE]
    if others:
        what = ", ".join(others)
        remark = f"{remark} Time per sample only: whether the quality with {what} is the same is not asked.".strip()
    standing = Standing.NOT_PROVEN
    if speedup is not None and speedup.low > 1:
        standing = Standing.STILL_FASTER
    elif speedup is not None and speedup.high < 1 + LEAST_DELTA:
        standing = Standing.NO_LONGER
    changed = changed_since(plan, machine)
    return Reproof(plan=plan.labels, standing=standing, speedup=speedup, changed=changed, remark=remark)
