"""Which techniques a training uses, with which knobs, and what each was measured to give."""

from hasten.base.records.interval import Interval
from hasten.base.records.record import Record

Knob = bool | int | float | str


class Choice(Record, frozen=True):
    """One technique of a plan. `gain` is the speed-up that it adds to the rest of the plan, where measured."""

    technique: str
    knobs: dict[str, Knob] = {}
    gain: Interval | None = None
    note: str = ""


class Plan(Record, frozen=True):
    """The choices for one task; no choice at all is the plain training."""

    task: str
    choices: tuple[Choice, ...] = ()
    machine: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The techniques' names, in the plan's order."""
        return tuple(choice.technique for choice in self.choices)
