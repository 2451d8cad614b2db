"""What was seen of a training's health: what the rules of the doctor judge."""

from hasten.base.records.data_facts import DataFacts
from hasten.base.records.record import Record


class Leaf(Record, frozen=True):
    """A trainable or frozen tensor: a parameter of the model, or one that only the optimizer or the loss knows."""

    name: str  # in the model; "" where the model does not have it
    numel: int
    trainable: bool
    in_model: bool
    held: bool  # an optimizer holds it
    rate: float | None = None  # learning rate of its group in the first update
    reached: bool | None = None  # a loss of the steps looked at depends on it; None where that cannot be seen
    gradient: float | None = None  # largest absolute gradient in those steps; None where there was none
    moved: float | None = None  # largest absolute change in those updates; None where no update was seen


class Wiring(Record, frozen=True):
    """How model, loss and optimizer hang together, from the first steps."""

    updates: int  # that were looked at
    leaves: tuple[Leaf, ...] = ()


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
