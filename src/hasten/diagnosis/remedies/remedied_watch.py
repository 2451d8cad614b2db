"""A training with a remedy, watched by every tier: is the finding gone?"""

from typing import Self

from hasten.diagnosis.health_watch import HealthWatch
from hasten.diagnosis.remedies.catalog import REMEDIES
from hasten.diagnosis.remedies.trial_watch import other_seeds


class RemediedWatch(HealthWatch):
    """Watches all that rules judge; the arguments are those of `TrialWatch`."""

    def __init__(self, *, name: str, pair: int, remedy: str, steps: int | None = None) -> None:
        super().__init__(name=name, steps=steps)
        self._pair = pair
        self._remedy = REMEDIES[remedy].make()
        self._collectors.insert(0, self._remedy)

    def __enter__(self) -> Self:
        self._undo.enter_context(other_seeds(self._pair))
        self._undo.enter_context(self._remedy.context())
        return super().__enter__()
