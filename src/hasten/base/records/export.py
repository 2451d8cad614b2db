"""A trained model that was exported, and how it compares with the model itself."""

from enum import StrEnum

from hasten.base.records.comparison import Comparison
from hasten.base.records.record import Record


class Format(StrEnum):
    """What a model is exported to."""

    PT2 = "pt2"
    ONNX = "onnx"
    INT8 = "int8"


class Latency(Record, frozen=True):
    """The time of one call with a batch, the trained model (a) against the exported one (b)."""

    batch_size: int
    comparison: Comparison


class Exported(Record, frozen=True):
    """A file with an exported model. The trained model is timed as PyTorch runs it, without compilation."""

    task: str
    format: Format
    path: str
    any_batch_size: bool
    nbytes: int
    weights_nbytes: int  # of the trained model's parameters and buffers
    samples: int  # of the validation data that both were run on
    largest_difference: float  # of the outputs, as a share of the largest output
    metric_name: str | None  # None where the task's own evaluation judges
    metric_trained: float | None
    metric_exported: float | None
    latencies: tuple[Latency, ...]
    threads: int
    notes: tuple[str, ...] = ()
