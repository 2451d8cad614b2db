"""What a profile, and the length of a training, let tuning expect."""

import pytest

from hasten.base.stages import Guarantee, Stage
from hasten.training.recipe import baseline
from hasten.training.task import Stop
from hasten.tuning.bench import GOLDEN
from hasten.tuning.break_even import cannot_pay, planned_s
from hasten.tuning.context import Hints

from planted import Nothing, Slower, card, small_task


@pytest.mark.parametrize("moves", range(2, 60))
def test_steps_of_a_bench_lie_all_over_the_run(moves: int) -> None:
    """Gaps between multiples of the golden ratio have at most three sizes, the largest 2.62 times the least."""
    places = sorted(number * GOLDEN % 1 for number in range(moves))
    gaps = [after - before for before, after in zip(places, [*places[1:], 1.0], strict=True)]
    assert max(gaps) <= 2.62 * min(gaps)


def test_a_stage_takes_its_share_of_the_shorter_step() -> None:
    hints = Hints(stage_s={Stage.INPUT: 0.2}, step_s=0.8, gains={"nothing": 1.5})
    assert hints.share(Stage.INPUT, 0.0) == hints.share(Stage.INPUT, 9.0) == 0.25
    assert hints.share(Stage.INPUT, 0.4) == 0.5
    assert hints.share(Stage.INPUT, 0.1) == 1.0
    assert hints.share(Stage.MODEL, 0.4) is None
    assert Hints(stage_s={Stage.INPUT: 0.2}).share(Stage.INPUT, 0.0) is None
    assert (hints.gain(Nothing()), hints.gain(Slower())) == (1.5, 1.0)


@pytest.mark.parametrize(
    ("stop", "whole_s"),
    [
        (Stop(steps=10), 20.0),
        (Stop(steps=10, seconds=5.0), 5.0),
        (Stop(seconds=5.0), 5.0),
        (Stop(steps=1, seconds=5), 2),
    ],
)
def test_a_training_lasts_until_the_first_of_its_limits(stop: Stop, whole_s: float) -> None:
    recipe = baseline(small_task(stop=stop))
    assert planned_s(recipe, 2.0) == pytest.approx(whole_s)
    for setup_s, told in ((0.49 * whole_s, False), (0.51 * whole_s, True)):
        assert (cannot_pay(card("costly", Guarantee.EXACT, setup_s=setup_s), recipe, 2.0) is not None) is told
