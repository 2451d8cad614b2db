"""The protocol of techniques: one way to make a run cheaper."""

from typing import ClassVar, Protocol, runtime_checkable

from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.training.recipe import Recipe


@runtime_checkable
class Technique(Protocol):
    """A frozen dataclass whose fields are the knobs, each with a default and, as `msgspec.Meta`, its valid range."""

    card: ClassVar[Card]

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Return why this cannot help here, naming a fact of the machine or the model; None where it may.

        Cheap, and leaves no trace: ask `recipe.subject` for facts, the example model and batches; never train them.
        """
        ...

    def apply(self, recipe: Recipe) -> Recipe:
        """Return a new recipe. Builds nothing, changes nothing, touches no global state."""
        ...
