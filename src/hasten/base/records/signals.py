"""What a profile observes beside the anatomy of the step: the signals that the rules of diagnosis look at."""

from hasten.base.records.record import Interval, Record


class StepSpread(Record, frozen=True):
    """How the times of single steps differ."""

    median_s: float
    p99_s: float
    outliers: int  # steps more than five robust standard deviations, and a tenth, above the median
    period: int | None  # steps from one outlier to the next, where that is regular
    excess_share: float  # share of the wall time that the outliers took beyond the median
    collector_share: float  # share of it that Python's garbage collector took


class Loading(Record, frozen=True):
    """The loader run alone, with nothing to wait for it."""

    sample_s: float  # to read one sample; of a stream its share of a batch
    batch_s: float  # to yield one batch
    cpu_share: float  # of that time, how much a core of this process or of its workers was busy; above 1 for several
    read_bytes_per_s: float | None  # from the disk, where the system tells
    workers: int  # processes that load
    worker_skew: float | None = None  # work of the busiest worker over a fair share
    pinned: bool | None = None  # whether batches lie in memory that a GPU copies from without help; None without one
    sample_waits: float | None = None  # share of `sample_s` in which nothing was computed
    hot: str = ""  # the innermost function that at least half of reading a sample is spent in; empty for a stream
    collate_s: float | None = None  # to put one of many samples together with the others, as torch does
    change_s: dict[str, float] = {}  # for a batch, of each augmentation and preparation by its name
    ahead: bool = False  # whether batches are finished before they are asked for, and `batch_s` holds `change_s`


_PRODUCTS = frozenset(
    f"aten.{name}"
    for name in (
        "mm",
        "addmm",
        "bmm",
        "baddbmm",
        "mv",
        "addmv",
        "_addmm_activation",
        "convolution",
        "convolution_backward",
        "mkldnn_rnn_layer",
        "mkldnn_rnn_layer_backward",
    )
)
_MATRIX_PRODUCTS = frozenset({"aten.mm", "aten.addmm", "aten.bmm", "aten.baddbmm"})
_CONVOLUTIONS = frozenset({"aten.convolution", "aten.convolution_backward"})


def product_kind(operator: str) -> str:
    """Return "conv" or "matmul" for an operator that multiplies, "" for any other."""
    if operator in _CONVOLUTIONS:
        return "conv"
    return "matmul" if operator in _PRODUCTS else ""


class Operator(Record, frozen=True):
    """One kind of operator call of a step: what, on which shapes, how often, how long."""

    name: str  # as torch names it, "aten.mm"
    phase: str  # "forward", "backward", "recomputation" or "update"
    shapes: tuple[tuple[int, ...], ...]  # of its tensor arguments
    number_format: str  # of its first tensor argument, "float32"
    calls: float  # per step
    seconds: float  # per step, all calls
    arithmetic: str = ""  # the format it multiplies in where that is another one: "tf32" or "bf32" for float32
    picks: float = 0.0  # of the calls, those by which Python picks along the first dimension, not a function of torch

    @property
    def multiplies_in(self) -> str:
        """The number format in which it multiplies."""
        return self.arithmetic or self.number_format

    @property
    def is_product(self) -> bool:
        """Whether it multiplies matrices, convolutions included."""
        return self.name in _PRODUCTS

    @property
    def misaligned(self) -> bool:
        """Whether it multiplies matrices with a side that is no multiple of 8."""
        sides = [side for shape in self.shapes for side in shape[-2:] if side > 1]
        return self.name in _MATRIX_PRODUCTS and any(side % 8 for side in sides)


class MachineLoad(Record, frozen=True):
    """What else the machine did while the steps were measured."""

    foreign_share: float  # share of all cores that other processes used
    waited_share: float  # seconds that this process's threads stood ready without a core, per second
    clock_share: float | None = None  # lowest clock of the processor over the highest, while measuring
    temperature_c: float | None = None


class Habit(Record, frozen=True):
    """A known slow habit found in the model or the step, and about what it costs."""

    name: str
    where: str
    seconds: float  # per step, at most


class Structure(Record, frozen=True):
    """What the step is made of, as far as rules ask."""

    number_format: str  # in which most of the time of products is spent; "tf32" and "bf32" are formats of their own
    fused_update: bool | None  # whether one call updates many parameters; None if the optimizer does not tell
    padding_share: float | None  # of the tokens; None where the data are no padded sequences, or the model packs them
    recompilations: int | None  # after warming up; None where nothing is compiled
    sync_points: float | None  # times per step that the host waits for the device; None on the CPU
    queue_empty_share: float | None  # steps at whose end the device had run out of work; None on the CPU
    habits: tuple[Habit, ...] = ()


class Ablation(Record, frozen=True):
    """The step timed against itself with one part removed.

    `ratio` is how many times faster the step without the part is, an upper bound on what any fix can gain; its interval
    holds at whatever moment the measurement stopped. None where the ablation failed; `failed` then says why.
    """

    name: str
    removes: str  # the part, as text: "the wait for data"
    ratio: Interval | None
    step_s: float = 0.0  # a usual step, as this ablation timed it
    spent_s: float = 0.0
    detail: str = ""  # what else was found: the best number of threads
    failed: str = ""

    @property
    def sentence(self) -> str:
        """Return the bound as a sentence."""
        if self.ratio is None:
            return f"{self.name} could not be measured: {self.failed}"
        if self.ratio.high <= 1.005:
            return f"Removing {self.removes} gains nothing."
        return f"Removing {self.removes} gives at most {self.ratio.high:.2f}x."
