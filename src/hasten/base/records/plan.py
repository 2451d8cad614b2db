"""Which techniques a training uses, with which knobs, and what each was measured to give."""

from msgspec import structs

from hasten.base.errors import unknown_name
from hasten.base.records.record import Interval, Record

Knob = bool | int | float | str


class Choice(Record, frozen=True):
    """One technique of a plan. `gain` is the speed-up that it adds to the rest of the plan, where measured."""

    technique: str
    knobs: dict[str, Knob] = {}
    gain: Interval | None = None
    note: str = ""

    @property
    def label(self) -> str:
        """The technique with the knobs that differ from their defaults: `batch_size(factor=4)`."""
        knobs = ", ".join(f"{name}={value}" for name, value in sorted(self.knobs.items()))
        return f"{self.technique}({knobs})" if knobs else self.technique


class Plan(Record, frozen=True):
    """The choices for one task; no choice at all is the plain training.

    `machine` and `versions` say what the gains were measured on; empty where they were not.
    """

    task: str
    choices: tuple[Choice, ...] = ()
    machine: str = ""
    versions: dict[str, str] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The techniques' names, in the plan's order."""
        return tuple(choice.technique for choice in self.choices)

    @property
    def labels(self) -> tuple[str, ...]:
        """The techniques with their knobs, which tell plans of the same techniques apart."""
        return tuple(choice.label for choice in self.choices)

    def only(self, *names: str) -> "Plan":
        """Return the plan with only the named techniques.

        Raises:
            BadInput: if the plan lacks one of them.
        """
        self._require(names)
        return structs.replace(self, choices=tuple(one for one in self.choices if one.technique in names))

    def exclude(self, *names: str) -> "Plan":
        """Return the plan without the named techniques.

        Raises:
            BadInput: if the plan lacks one of them.
        """
        self._require(names)
        return structs.replace(self, choices=tuple(one for one in self.choices if one.technique not in names))

    def _require(self, names: tuple[str, ...]) -> None:
        for name in names:
            if name not in self.names:
                raise unknown_name("technique of the plan", name, self.names)
