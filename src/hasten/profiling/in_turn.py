"""Steps of several recipes, timed in turn: drift of the machine and foreign load hit all of them alike."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from time import perf_counter

import numpy as np

from hasten.base.records.profile import StepAnatomy
from hasten.base.seeds import preserved
from hasten.profiling.anatomy import anatomy, warm
from hasten.profiling.memory import step_peak_bytes
from hasten.profiling.parts import part_times, time_between
from hasten.profiling.profile import TIMEOUT_S
from hasten.profiling.stepping import batches_in_turn
from hasten.profiling.timed import TimedSteps, timed_steps
from hasten.profiling.timeout import TimeLimit, time_limit
from hasten.training.building import build
from hasten.training.recipe import Recipe
from hasten.training.session import Session

_ROUNDS = 5
_WATCHED_STEPS, _WATCHED_S = 5, 1.0
"""Steps whose memory is watched, as long as steps that are not watched take no longer in all; at least one."""


@dataclass(frozen=True)
class _Side:
    """One recipe: built once, timed in several rounds."""

    recipe: Recipe
    plan: tuple[str, ...]
    run: Session
    seen: list[TimedSteps] = field(default_factory=list[TimedSteps])


def anatomies_in_turn(
    sides: Sequence[tuple[Recipe, tuple[str, ...]]], *, budget_s: float, timeout_s: float = TIMEOUT_S
) -> tuple[StepAnatomy, ...]:
    """Return where a step of each recipe goes, and the memory that it needs.

    Each is built anew and trained by the real loop for a while, in up to five rounds; which one goes first alternates.
    Nothing is kept, and the global random generators are left as they were found. Evaluation and checkpoint are timed
    once and spread over their steps.

    Args:
        sides: recipes, each with the names of its techniques for the record.
        budget_s: seconds of timed training, all together; but for one round of at least four steps of each.
        timeout_s: seconds after which building, a step or an evaluation counts as hanging.

    Raises:
        BadInput: if a step hangs, or a training ends in its first steps. An error of the task's own is passed on.
    """
    with preserved(), time_limit(timeout_s, "building the steps to compare") as limit:
        built = [_Side(recipe, plan, build(recipe)) for recipe, plan in sides]
        turn_s, begin = budget_s / _ROUNDS / len(built), perf_counter()
        for turn in range(_ROUNDS):
            if turn and perf_counter() - begin > budget_s:
                break
            for side in built if turn % 2 == 0 else reversed(built):
                with side.run.contexts:
                    side.seen.append(timed_steps(side.run, steps=None, budget_s=turn_s, limit=limit))
        return tuple(_found(side, limit) for side in built)


def _found(side: _Side, limit: TimeLimit) -> StepAnatomy:
    run, recipe = side.run, side.recipe
    found = anatomy(np.concatenate([warm(one.times) for one in side.seen]))
    with run.contexts:
        limit.restart("the evaluation")
        parts = part_times(found, time_between(run, recipe.task.stop))
        limit.restart("a step with its memory watched")
        watch = max(1, min(_WATCHED_STEPS, int(_WATCHED_S / found.step_s.value)))
        compiled = any(one.compiled for one in side.seen)
        peaks = [step_peak_bytes(run, batch, compiled=compiled) for batch in islice(batches_in_turn(run), watch)]
    return StepAnatomy(
        plan=side.plan,
        steps=found.steps,
        step_s=found.step_s,
        batch_size=recipe.input.batch_size,
        parts=parts,
        step_peaks=tuple(peaks),
    )
