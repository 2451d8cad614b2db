"""The best rung is found where losses fall and rise again, and the search goes on where they say nothing."""

import math

from hypothesis import given
from hypothesis import strategies as st

from hasten.pipeline.ladder import best_rung

RUNGS = range(12)


@given(best=st.sampled_from(RUNGS), steep=st.floats(0.2, 5.0), plain=st.sampled_from([3.0, math.inf]))
def test_the_lowest_of_losses_that_fall_and_rise_is_found(best: int, steep: float, plain: float) -> None:
    seen: list[int] = []

    def loss(rung: int) -> float:
        seen.append(rung)
        return 1.0 + steep * abs(rung - best)

    found, looked = best_rung(RUNGS, loss, plain=plain)
    assert found == best
    assert looked == len(seen) == len(set(seen)) <= 8


@given(first=st.integers(0, 10), worse=st.floats(0.0, 0.05))
def test_losses_at_chance_end_no_search(first: int, worse: float) -> None:
    def loss(rung: int) -> float:
        return 0.1 if rung in (first, first + 1) else 1.0 + worse * rung

    assert best_rung(RUNGS, loss, plain=1.0)[0] in (first, first + 1)


def test_losses_that_are_not_finite_end_no_search() -> None:
    assert best_rung(RUNGS, lambda rung: 0.5 if rung >= 9 else math.inf, plain=math.inf)[0] >= 9


def test_one_worse_training_ends_no_search() -> None:
    losses = {1: 300.0, 3: 400.0, 5: 1.0}
    assert best_rung(RUNGS, lambda rung: losses.get(rung, 500.0), plain=1000.0)[0] == 5


def test_a_search_ends_once_two_in_a_row_are_worse() -> None:
    assert best_rung(RUNGS, lambda rung: 0.1 + rung, plain=20.0) == (0, 5)
