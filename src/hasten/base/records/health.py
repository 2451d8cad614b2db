"""What was seen of a training's health: what the rules of the doctor judge."""

from hasten.base.records.data_facts import DataFacts
from hasten.base.records.record import Record
from hasten.base.records.wiring import Wiring


class Dynamics(Record, frozen=True):
    """How the training moved: one loss for each step, and statistics of the steps sampled."""

    losses: tuple[float | None, ...] = ()  # of each step; None where it was not finite


class Health(Record, frozen=True):
    """What was seen of a training. A part that could not be seen is None, and its rules abstain."""

    name: str
    steps: int
    complete: bool = True  # the training ended by itself, neither by a limit of the watch nor by an error
    command: str = ""  # that checks it again
    wiring: Wiring | None = None
    data: DataFacts | None = None
    dynamics: Dynamics | None = None
    failed: dict[str, str] = {}  # collector that failed -> why; its part is None
