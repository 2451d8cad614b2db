"""One training of a paired trial: other seeds, and a remedy or none."""

import random
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, Self

import numpy as np
import torch

from hasten.base.errors import BadInput
from hasten.base.records.health import Health
from hasten.base.replaced import replaced
from hasten.base.seeds import seed_all
from hasten.diagnosis.dynamics.collector import DynamicsCollector
from hasten.diagnosis.remedies.catalog import REMEDIES
from hasten.diagnosis.remedies.remedy import Intervention
from hasten.diagnosis.watching.events import NEVER
from hasten.diagnosis.watching.hooks import TrainingWatch


class TrialWatch(TrainingWatch):
    """Watches the losses of a training that starts from the seed of a pair and has a remedy.

    Args:
        name: of the training.
        pair: number of the pair; both of its sides draw the same random numbers. 0 leaves the seeds as they are.
        remedy: its name; "" for none.
        steps: end the training after so many steps; None to let it end by itself.
    """

    def __init__(self, *, name: str, pair: int, remedy: str = "", steps: int | None = None) -> None:
        self._name, self._pair, self._dynamics = name, pair, DynamicsCollector()
        self._remedy = REMEDIES[remedy].make() if remedy else Intervention()
        super().__init__((self._remedy, self._dynamics), steps=steps, looked_at=NEVER)  # both sides have every loss

    def __enter__(self) -> Self:
        self._undo.enter_context(other_seeds(self._pair))
        self._undo.enter_context(self._remedy.context())
        return super().__enter__()

    def seen(self) -> Health:
        """Return the losses.

        Raises:
            BadInput: if no step was made.
        """
        self.catch_up()
        if not self.steps:
            raise BadInput("no training step was seen")
        dynamics = self._dynamics.dynamics()
        return Health(name=self._name, steps=self.steps, dynamics=dynamics, failed=self.failed)


@contextmanager
def other_seeds(pair: int) -> Generator[None]:
    """Have what seeds Python's, numpy's and torch's global generators seed them with a number of this pair.

    A training that seeds nothing starts from the pair's. 0 leaves the seeds as they are.
    """
    if not pair:
        yield
        return

    def moved(plain: Callable[..., Any]) -> Callable[..., Any]:
        def seed(value: Any = None, *args: Any, **kwargs: Any) -> Any:
            return plain(value + pair if isinstance(value, int) else value, *args, **kwargs)

        return seed

    seed_all(pair)
    with replaced(torch, "manual_seed", moved), replaced(np.random, "seed", moved), replaced(random, "seed", moved):
        yield
