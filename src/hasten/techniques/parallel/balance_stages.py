"""Where to cut a row of work into stages: equal work first, then little to send."""

from collections.abc import Sequence
from itertools import accumulate
from math import inf

SLACK = 1.05
"""The busiest stage may have so many times the work that the best cuts leave it, where less is sent for it."""


def balanced(work: Sequence[float], sent: Sequence[float], stages: int) -> tuple[int, ...]:
    """Return at which cuts to divide a row of work.

    The busiest stage sets the pace of a pipeline, so its work is made as small as the cuts allow, but for `SLACK`;
    among such divisions the one that sends the least is taken.

    Args:
        work: of each piece; one more than there are cuts.
        sent: bytes that a division at each cut sends.
        stages: into how many, each with a piece at least.

    Returns:
        `stages` - 1 numbers of cuts, rising.

    Raises:
        ValueError: if there are fewer pieces than stages.

    Cost: stages x cuts squared.
    """
    if len(work) < stages:
        raise ValueError(f"{len(work)} pieces of work make no {stages} stages")
    done = [0.0, *accumulate(work)]
    fastest, _ = _divided(done, [0.0] * len(sent), stages, inf)
    _, cuts = _divided(done, sent, stages, fastest * SLACK)
    return cuts


def _divided(done: Sequence[float], sent: Sequence[float], stages: int, most: float) -> tuple[float, tuple[int, ...]]:
    """Return the work of the busiest stage, and the cuts, of the division that sends least, then with least work.

    Args:
        done: work before each piece, and all of it.
        sent: by each cut.
        stages: how many.
        most: work that a stage may have.
    """
    pieces = len(done) - 1
    best = {end: (0.0, done[end], tuple[int, ...]()) for end in range(1, pieces + 1) if done[end] <= most}
    for _ in range(stages - 1):
        longer = dict[int, tuple[float, float, tuple[int, ...]]]()
        for end in range(2, pieces + 1):
            divisions = [
                (total + sent[begin - 1], max(busiest, done[end] - done[begin]), (*cuts, begin - 1))
                for begin, (total, busiest, cuts) in best.items()
                if begin < end and done[end] - done[begin] <= most
            ]
            if divisions:
                longer[end] = min(divisions)
        best = longer
    _, busiest, cuts = best[pieces]
    return busiest, cuts
