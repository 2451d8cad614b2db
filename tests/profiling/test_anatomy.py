import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hasten.base.errors import BadInput
from hasten.profiling.anatomy import anatomy, warm


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.tuples(*[st.floats(1e-6, 1.0)] * 3), min_size=2, max_size=200),
)
def test_the_parts_sum_to_the_step(rows: list[tuple[float, ...]]) -> None:
    found = anatomy(np.array(rows))
    assert sum(found.parts_s) == pytest.approx(found.step_s.value, rel=1e-9)
    assert found.steps == len(rows)
    assert found.hiccups_s >= 0


def test_a_burst_of_foreign_load_is_a_hiccup_and_not_the_anatomy() -> None:
    times = np.tile([0.001, 0.009], (600, 1))
    times[300:320, 0] = 0.5
    found = anatomy(times)
    assert found.parts_s == pytest.approx((0.001, 0.009))
    assert found.hiccups_s == pytest.approx(20 * 0.499 / 600)


def test_waits_that_come_every_few_steps_are_part_of_the_anatomy() -> None:
    times = np.tile([0.0, 0.01], (600, 1))
    times[::10, 0] = 0.1  # the loader has ten batches ready, then none
    assert anatomy(times).parts_s == pytest.approx((0.01, 0.01))


def test_warm_leaves_out_the_first_steps_but_never_more_than_half() -> None:
    times = np.full((100, 1), 0.01)
    times[0] = 60.0  # compiled
    assert len(warm(times)) == 90
    assert len(warm(times[:4])) == 2
    assert warm(times)[0, 0] == 0.01


def test_an_anatomy_of_one_step_is_refused() -> None:
    with pytest.raises(BadInput, match="at least 2 steps"):
        anatomy(np.ones((1, 3)))
