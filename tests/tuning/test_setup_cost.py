"""What a technique costs once has to be earned back within the training."""

import pytest

from hasten.training.recipe import baseline
from hasten.training.task import Stop
from hasten.tuning.break_even import not_earned_back

from planted import small_task


@pytest.mark.parametrize(("setup_s", "earned"), [(0.0, True), (50.0, True), (50.5, False)])
def test_a_setup_is_earned_back_if_the_training_saves_as_much(setup_s: float, earned: bool) -> None:
    recipe = baseline(small_task(stop=Stop(steps=100)))
    why = not_earned_back(2.0, setup_s, recipe, 1.0)
    assert (why is None) is earned
    assert earned or "saves only 50.0 s" in (why or "")
