"""What a technique says of itself, as data: everything that order, choice and documentation need."""

from hasten.base.records.plan import Knob
from hasten.base.records.record import Record
from hasten.base.stages import Guarantee, Stage


class Card(Record, frozen=True):
    """One technique.

    Args:
        name: as in a plan file.
        stage: where in the step it acts; stages are the first order in which techniques are applied.
        guarantee: how much it may change; decides which numerical check it must pass.
        idea: one line for a person who has never heard of it.
        source: author, year, identifier.
        treats: names of the symptoms it is a remedy for.
        needs: what it requires, in plain words.
        conflicts: names of techniques it cannot be combined with.
        after: names of techniques of the same stage that must be applied first.
        best_with: names of techniques without which it gains little. Tuning tries it together with them, also where
            they gain nothing without it.
        pointless_beside: names of techniques beside which it cannot gain anything, since they replace what it makes
            faster. No experiment is spent on it where one of them is faster.
        saves_in: the stage whose time it saves, where that is another one than the stage where it acts.
        exploits: features of a machine, named as in `hasten.machine.advice.FEATURES`, that it makes use of. Where one
            was measured to be faster, the machine's advice is to try this technique.
        saves_time: False for what saves memory or protects a training: no experiment about speed is spent on it.
        setup_s: seconds that its first steps may take once, as a compilation does. Such techniques are tried late,
            beside the plan so far, and only where the training is long enough to earn that back.
        search: knobs that tuning tries: by whole trainings on the first seed, where the best go on to the other seeds;
            else each is a factor of its own beside the technique as it is.
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
    pointless_beside: tuple[str, ...] = ()
    saves_in: Stage | None = None
    exploits: tuple[str, ...] = ()
    saves_time: bool = True
    setup_s: float = 0.0
    search: tuple[dict[str, Knob], ...] = ({},)
    exceptions: dict[str, str] = {}
