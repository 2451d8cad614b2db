"""What a technique says of itself, as data: everything that order, choice and documentation need."""

from hasten.base.records.record import Record
from hasten.base.stages import Guarantee, Stage


class Card(Record, frozen=True):
    """One technique.

    Args:
        name: as in a plan file.
        stage: where in the step it acts; stages are the first order in which techniques are applied.
        guarantee: how much it may change; decides which proof it owes.
        idea: one line for a person who has never heard of it.
        source: author, year, identifier.
        treats: names of the symptoms it is a remedy for.
        needs: what must be there, in plain words.
        conflicts: names of techniques it cannot be combined with.
        after: names of techniques of the same stage that must be applied first.
        best_with: names of techniques without which it gains little. Tuning tries it together with them, also where
            they gain nothing without it.
        saves_in: the stage whose time it saves, where that is another one than the stage where it acts.
        exceptions: name of a contract check that it does not pass -> the reason why that is right.
    """

    name: str
    stage: Stage
    guarantee: Guarantee
    idea: str
    source: str
    treats: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    best_with: tuple[str, ...] = ()
    saves_in: Stage | None = None
    exceptions: dict[str, str] = {}
