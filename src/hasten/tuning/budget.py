"""The time that tuning may take, and how it is shared out."""

from dataclasses import dataclass, field

from hasten.tuning import clock
from hasten.tuning.tolerances import HARD_STOP


@dataclass(frozen=True)
class Budget:
    """Seconds that may be spent from now on."""

    total_s: float
    started: float = field(default_factory=lambda: clock.now_s())

    @property
    def spent_s(self) -> float:
        """Seconds since the start."""
        return clock.now_s() - self.started

    def left_s(self, share: float = 1.0) -> float:
        """Return the seconds left until that share of the budget is spent; negative beyond."""
        return share * self.total_s - self.spent_s

    def holds(self, cost_s: float) -> bool:
        """Return whether something that takes so long ends before the hard stop."""
        return self.spent_s + cost_s <= HARD_STOP * self.total_s
