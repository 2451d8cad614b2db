"""Where a search times settings: a machine, or a simulated one."""

from collections.abc import Mapping
from typing import Protocol

from hasten.tuning.search.factors import Setting
from hasten.tuning.search.model import Gain


class Infeasible(Exception):  # noqa: N818
    """No setting can be timed in which all of `factors` are on."""

    def __init__(self, factors: Setting) -> None:
        super().__init__(f"no setting can be timed with {sorted(factors)} on")
        self.factors = factors


class Ground(Protocol):
    """Where settings are timed: a machine, or a simulated one."""

    def ready(self, setting: Setting) -> None:
        """Set a setting up, if it is not. Raises `Infeasible`."""
        ...

    def block(self, setting: Setting) -> float:
        """Return the logarithm of the seconds that a sample takes, from one block. Raises `Infeasible`."""
        ...

    def built(self) -> list[Setting]:
        """Return the settings that are set up."""
        ...

    def block_s(self, setting: Setting) -> float:
        """Return about how long a block takes; for a setting that is not set up, that of the baseline."""
        ...

    def cost_s(self, setting: Setting, slower: float) -> float:
        """Return what a block costs, where a step is expected to be slower than with the best plan known by so much.

        `slower` is the logarithm of a ratio, 0 or more.
        """
        ...

    def setup_s(self, setting: Setting) -> float:
        """Return about how long setting it up takes."""
        ...

    def left_s(self) -> float:
        """Return the seconds left."""
        ...

    def proof_s(self, plan: Setting) -> float:
        """Return how long it may take to prove a plan; 0 where it is proven."""
        ...

    def closing_s(self, plan: Setting) -> float:
        """Return the time that is kept for proving a plan and for measuring it afresh."""
        ...

    def unfit(self, plan: Setting, gains: Mapping[int, Gain]) -> Setting:
        """Return the factors of a faster plan that break their guarantee or do not earn their setup back."""
        ...
