"""Trainings of many kinds: 50 steps of the task equal those of the loop written by hand, bit for bit."""

from dataclasses import replace

import pytest

from benchmarks.any_training.catalog import TRAININGS
from benchmarks.any_training.equality import Compared, compare
from hasten.training.check import check

SLOW = {
    *("loader-workers", "residual-net", "lstm-padded", "vit", "bert", "gpt", "lora", "tied-weights", "vae"),
    *("diffusion", "detection", "contrastive", "frozen-backbone", "recommender-sgd", "recommender-sparse-adam"),
    *("cnn", "regression", "multi-task", "multi-label", "float64", "hooks", "parametrizations", "batch-norm-in-parts"),
    *("augmented-samples", "iterable-data-set", "batch-sampler", "weighted-sampler", "generator-function"),
    *("clipped-gradients", "scheduler-per-epoch"),
}
"""Their parts are in other trainings of the catalog, or in a test of their own."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in TRAININGS]
)
def test_fifty_steps_equal_the_hand_written_loop(name: str) -> None:
    training = TRAININGS[name]
    check(training.task())
    assert compare(training) == Compared(step=None, values=())


def test_a_difference_between_two_trainings_is_found() -> None:
    training = TRAININGS["mlp"]
    found = compare(replace(training, task=lambda: replace(training.task(), seed=1)))
    assert found == Compared(step=1, values=("0.weight", "0.bias", "3.weight", "3.bias"))
