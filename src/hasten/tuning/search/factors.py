"""The factors of the experiment, and which of them may be on together."""

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

Setting = frozenset[int]
"""The factors that are on, by number."""

NONE: Setting = frozenset()
"""The baseline."""


@dataclass(frozen=True)
class Factor:
    """One thing that can be on or off.

    Args:
        name: for messages.
        expected: logarithm of the speed-up that is likely; 0 where nothing is known.
        conflicts: factors that cannot be on beside it.
        company: factors that have to be on where it is, since it gains little without.
        pointless_beside: factors beside which it cannot gain anything.
        setup_s: what a setting with it costs once, as a compilation does.
        after: the factor that this one is another level of, with the next value of a knob. It takes part once that one
            surely gains, or nothing else is open and that one is not slower.
    """

    name: str
    expected: float = 0.0
    conflicts: Setting = NONE
    company: Setting = NONE
    pointless_beside: Setting = NONE
    setup_s: float = 0.0
    after: int | None = None


class Factors:
    """All factors of a search, and how a setting changes where one is turned on or off."""

    def __init__(self, items: Sequence[Factor]) -> None:
        self.items = list(items)
        mutual = [set(one.conflicts) for one in items]
        for number, one in enumerate(items):
            for other in one.conflicts:
                mutual[other].add(number)
        self.conflicts = [frozenset(others) for others in mutual]

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, number: int) -> Factor:
        return self.items[number]

    def on(self, setting: Setting, number: int) -> Setting:
        """Return the setting with a factor and its company on, and what conflicts with them off."""
        wanted = self._with_company(number)
        for one in sorted(setting - wanted):  # each with what depends on it
            if one in setting and self.conflicts[one] & wanted:
                setting = self.off(setting, one)
        return setting | wanted

    def off(self, setting: Setting, number: int) -> Setting:
        """Return the setting without a factor and without those that need it."""
        left = setting - {number}
        for other in sorted(left):
            if other in left and number in self.items[other].company:
                left = self.off(left, other)
        return left

    def toggled(self, setting: Setting, number: int) -> Setting:
        """Return the setting with a factor changed."""
        return self.off(setting, number) if number in setting else self.on(setting, number)

    def together(self, numbers: Iterable[int]) -> Setting:
        """Return a setting with as many of these on as go together, the first ones first."""
        found = NONE
        for number in numbers:
            wanted = self._with_company(number)
            if not any(self.conflicts[one] & found for one in wanted):
                found |= wanted
        return found

    def leave(self, number: int) -> None:
        """Let no factor need this one any more, which has left the search."""
        self.items = [
            replace(one, company=one.company - {number}) if number in one.company else one for one in self.items
        ]

    def pointless(self, number: int, beside: Collection[int]) -> int | None:
        """Return a factor of these beside which `number` cannot gain anything, or None."""
        return next((one for one in sorted(self.items[number].pointless_beside) if one in beside), None)

    def of_use(self, setting: Setting) -> Setting:
        """Return a setting without what cannot gain anything beside the rest."""
        return frozenset(one for one in setting if self.pointless(one, setting - {one}) is None)

    def setup_s(self, setting: Setting) -> float:
        """Return what a setting costs once."""
        return math.fsum(self.items[one].setup_s for one in setting)

    def _with_company(self, number: int) -> Setting:
        return frozenset({number, *self.items[number].company})
