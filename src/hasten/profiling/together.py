"""The profile of processes that train together: the parts of the step in each of them, and which one is slow."""

from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

import msgspec

from hasten.base.records.machine import Machine
from hasten.base.records.profile import PartTime, Profile
from hasten.base.units import seconds
from hasten.profiling.profile import BUDGET_S, TIMEOUT_S, profiled_run, times_of
from hasten.training.processes import Processes
from hasten.training.recipe import Recipe
from hasten.training.reduction import after_backward

_WAITING = frozenset({"communication", "evaluation", "checkpoint", "hiccups"})
"""Parts in which a process may wait for others, or that are no part of a step."""
_SLOW = 1.1


def profile_together(
    recipe: Recipe,
    machine: Machine,
    processes: Processes,
    *,
    plan: Sequence[str] = (),
    budget_s: float = BUDGET_S,
    timeout_s: float = TIMEOUT_S,
    trace: Path | None = None,
) -> Profile:
    """Return where the time of a step goes in process 0, with the slowest process of each part. A collective.

    The arguments are those of `profile`, with a recipe `in_processes`. Operators, memory and growth are those of one
    process and not measured here.
    """
    begin = perf_counter()
    with profiled_run(recipe, machine, timeout_s) as profiled:
        _, found = times_of(profiled, steps=None, budget_s=budget_s, trace=trace)
        own = [part.seconds for part in found.parts]
        slots = [value if rank == processes.rank else 0.0 for rank in range(processes.size) for value in own]
        flat = processes.totals(slots, recipe.parallel.device)
    of_each = [flat[rank * len(own) : (rank + 1) * len(own)] for rank in range(processes.size)]
    parts = with_worst(found.parts, of_each)
    waiting = _WAITING if recipe.parallel.reduction is after_backward else _WAITING | {"backward"}
    works_s = tuple(
        sum(value for part, value in zip(found.parts, one, strict=True) if part.name not in waiting) for one in of_each
    )
    remark = "operators, memory and growth are not measured in several processes: profile one"
    return msgspec.structs.replace(
        found,
        plan=tuple(plan),
        parts=parts,
        process_s=works_s,
        verdict=f"{found.verdict} {slow_process(works_s, recipe.parallel.relief)}",
        remarks=(*profiled.remarks, remark),
        spent_s=perf_counter() - begin,
    )


def with_worst(parts: Sequence[PartTime], of_each: Sequence[Sequence[float]]) -> tuple[PartTime, ...]:
    """Return the parts with the process where each takes longest.

    Args:
        parts: of process 0.
        of_each: seconds of the same parts in each process.
    """
    found = list[PartTime]()
    for part, times in zip(parts, zip(*of_each, strict=True), strict=True):
        worst = max(range(len(times)), key=times.__getitem__)
        found.append(msgspec.structs.replace(part, worst_s=times[worst], worst=worst))
    return tuple(found)


def slow_process(works_s: Sequence[float], relief: str) -> str:
    """Return in one sentence which process the others wait for, and what helps.

    Args:
        works_s: seconds that each works in a step.
        relief: a sentence on what makes less work for a slow one.
    """
    slow, fast = (works_s.index(pick(works_s)) for pick in (max, min))
    if works_s[slow] < _SLOW * works_s[fast]:
        return f"All {len(works_s)} processes work for about as long."
    return (
        f"Process {slow} is the slowest: it works {seconds(works_s[slow])} in a step, process {fast} "
        f"{seconds(works_s[fast])}, and all wait for it. {relief}"
    )
