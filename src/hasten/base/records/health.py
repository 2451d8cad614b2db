"""What was seen of a training's health: what the rules of the doctor judge."""

from hasten.base.records.attention import AttentionFacts
from hasten.base.records.data_facts import DataFacts
from hasten.base.records.dynamics import Dynamics
from hasten.base.records.histograms import ParameterHistograms
from hasten.base.records.record import Record
from hasten.base.records.wiring import Wiring


class Health(Record, frozen=True):
    """What was seen of a training. A part that could not be seen is None, and its rules abstain."""

    name: str
    steps: int
    complete: bool = True  # the training ended by itself, neither by a limit of the watch nor by an error
    command: str = ""  # that checks it again
    wiring: Wiring | None = None
    data: DataFacts | None = None
    dynamics: Dynamics | None = None
    attention: AttentionFacts | None = None  # None where no model has attention
    histograms: tuple[ParameterHistograms, ...] = ()  # empty where they were not asked for
    failed: dict[str, str] = {}  # collector that failed -> why; its part is None
