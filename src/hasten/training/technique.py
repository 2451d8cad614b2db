"""The protocol of techniques: one way to make a run cheaper."""

from collections.abc import Iterable
from dataclasses import fields
from typing import ClassVar, Protocol, runtime_checkable

from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.records.plan import Choice, Knob
from hasten.training.recipe import Recipe


@runtime_checkable
class Technique(Protocol):
    """A frozen dataclass whose fields are the knobs, each with a default and, as `msgspec.Meta`, its valid range.

    It may have a method `nearby()` that returns it with the next values of its knobs: tuning tries them where it gains.
    """

    card: ClassVar[Card]

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Return why this cannot help here, naming a fact of the machine or the model; None where it may.

        Cheap, and leaves no trace: ask `recipe.subject` for facts, the example model and batches; never train them.
        """
        ...

    def apply(self, recipe: Recipe) -> Recipe:
        """Return a new recipe. Builds nothing, changes nothing, touches no global state."""
        ...


def knobs_of(made: Technique) -> dict[str, Knob]:
    """Return the knobs of a technique that differ from their defaults."""
    return {
        field.name: getattr(made, field.name)
        for field in fields(made)  # type: ignore[arg-type]  (every technique is a dataclass)
        if getattr(made, field.name) != field.default
    }


def choice_of(made: Technique) -> Choice:
    """Return a technique as a choice of a plan."""
    return Choice(technique=made.card.name, knobs=knobs_of(made))


def labels_of(made: Iterable[Technique]) -> tuple[str, ...]:
    """Return techniques with their knobs, "clip_norm(max_norm=0.5)"."""
    return tuple(choice_of(one).label for one in made)
