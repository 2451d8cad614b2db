"""A search on the steps of a training costs the time that they take beyond those with the plan."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hasten.base.records.card import Card
from hasten.tuning.context import Hints
from hasten.tuning.own_steps import OwnSteps
from hasten.tuning.search.factors import Setting

from planted import MACHINE, Planted, card

STEP_S, NOISE = 0.03, 0.03


@dataclass(frozen=True)
class Fast(Planted):
    card: ClassVar[Card] = card("fast")


@dataclass(frozen=True)
class One(Planted):
    card: ClassVar[Card] = card("one")


@dataclass(frozen=True)
class Two(Planted):
    card: ClassVar[Card] = card("two")


def searched(seed: int, gain: float = 0.3) -> tuple[OwnSteps, float, float]:
    """Return a search among `fast` and two without effect, the seconds it took, and those beyond the best setting's."""
    steps = OwnSteps([Fast(), One(), Two()], lambda _: None, machine=MACHINE, step_s=STEP_S, ends_s=16, hints=Hints())
    random, spent_s, lost_s = np.random.default_rng(seed), 0.0, 0.0
    while (setting := steps.setting()) is not None:
        while True:
            took_s = _step_s(setting, gain) * math.exp(NOISE * random.normal())
            spent_s, lost_s = spent_s + took_s, lost_s + took_s - STEP_S * math.exp(-gain)
            if steps.made(took_s, 64):
                break
    return steps, spent_s, lost_s


def _step_s(setting: Setting, gain: float) -> float:
    return STEP_S * math.exp(-gain if 0 in setting else 0.0)


def test_it_costs_little_more_than_a_training_with_the_plan() -> None:
    for seed in range(5):
        steps, _, lost_s = searched(seed)
        assert steps.search.plan == {0}
        assert lost_s < 0.02 * steps._ends_s, "a share of 0.05 of the training is 0.001 of it, then"
