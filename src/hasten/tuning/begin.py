"""The start of a tuning: the baseline, how long its step takes, and on how many threads."""

from hasten.base.units import seconds
from hasten.tuning.budget import OutOfTime, ends_by
from hasten.tuning.busy import free_threads, threads_set
from hasten.tuning.context import Laboratory, bench_of, confirmation_s, pair_s

FEWEST_PAIRS = 4
"""Pairs of blocks before anything can be certain."""


def why_not_begun(lab: Laboratory) -> str | None:
    """Build the baseline and see how long its step takes and on how many threads; return why nothing can be tried."""
    try:
        with ends_by(lab.budget.hard_stop_s):
            with threads_set(1 if lab.recipe.device.is_host else None):  # quick on a busy machine, too
                bench = bench_of(lab, ())
            lab.threads = free_threads(bench)
            lab.step_s = bench.step_s
    except OutOfTime:
        return "The budget is too short for one comparison."
    needed_s = FEWEST_PAIRS * pair_s(lab) + confirmation_s(lab, ())
    if not lab.budget.holds(needed_s):
        return f"The budget is too short for one comparison, which takes {seconds(needed_s)}."
    return None
