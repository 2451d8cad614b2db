"""Where the time and the memory of a step go."""

from msgspec import field

from hasten.base.records.complexity import Complexity
from hasten.base.records.finding import Diagnosis
from hasten.base.records.record import Interval, Record
from hasten.base.records.signals import Ablation, Loading, MachineLoad, Operator, StepSpread, Structure


class PartTime(Record, frozen=True):
    """One part of the step: its wall time per step and its share of all wall time.

    Of processes that train together these are of process 0; `worst_s` is of `worst`, where the part takes longest.
    """

    name: str
    seconds: float
    share: float
    worst_s: float | None = None
    worst: int | None = None


class StepAnatomy(Record, frozen=True):
    """A step that was timed in turn with those of other recipes; `parts` sum to all wall time per step."""

    plan: tuple[str, ...]
    steps: int
    step_s: Interval
    batch_size: int
    parts: tuple[PartTime, ...]
    step_peaks: tuple[int, ...]  # bytes at most, weights and optimizer state included, of each step that was watched


class LayerBound(Record, frozen=True):
    """The fastest that the machine could do one layer, forward and backward: a point of the roofline plot."""

    name: str
    flops: int
    bytes_moved: int
    seconds: float  # the larger of operations over peak rate and bytes over bandwidth
    by: str  # which of the two: "compute" or "memory"
    measured_s: float | None = None  # what its operators took, forward and backward

    @property
    def intensity(self) -> float:
        """Operations per byte."""
        return self.flops / self.bytes_moved if self.bytes_moved else 0.0

    @property
    def flops_per_s(self) -> float | None:
        """The rate at which its operators worked, or None where they were not timed."""
        return self.flops / self.measured_s if self.measured_s else None


class Roofline(Record, frozen=True):
    """The fastest that forward and backward pass could run, from the machine's measured peaks."""

    number_format: str
    peak_flops: float  # per second
    peak_bandwidth: float  # bytes per second
    bound_s: float  # sum over the layers
    achieved: float  # bound over the measured time of forward, loss and backward
    layers: tuple[LayerBound, ...]


class Growth(Record, frozen=True):
    """How a cost grows with a size: cost ~ size ** exponent."""

    cost: str  # "time" or "memory"
    over: str  # "batch size", "sequence length" or "image size"
    sizes: tuple[int, ...]
    costs: tuple[float, ...]  # seconds or bytes of one step
    exponent: Interval
    theory: float  # the exponent of what was counted: operations, or bytes kept


class MemoryPeak(Record, frozen=True):
    """The most tensor memory that was in use at one moment, and what it was made of.

    `by_origin` splits `peak_bytes` by where the memory was born: "resident" (there before), "forward", "backward"
    (recomputation included) and "no_grad" (the update, mostly). It is empty where the device counts for itself.
    """

    peak_bytes: int
    resident_bytes: int  # there before the callable ran, and used by it
    by_origin: dict[str, int]
    device: str


class PartMemory(Record, frozen=True):
    """The memory that one part of the step had in use."""

    name: str
    peak_bytes: int
    end_bytes: int  # when the part ended


class MemoryAccount(Record, frozen=True):
    """Where the memory of a step goes, in bytes.

    `predicted_peak` comes from steps with smaller batches; `measured_peak` from the step itself. Both count tensors;
    what the process holds beside them is `framework`. Where batches have one size (`Profile.one_size`), nothing is
    predicted.
    """

    parameters: int
    gradients: int
    optimizer_state: int
    activations: int
    inputs: int
    framework: int
    predicted_peak: int | None
    measured_peak: int
    available: int  # for tensors: what is free now, and what the step uses
    largest_batch: int | None  # that fits into it, by prediction; at most the whole training data
    verified_batch: int = 0  # the largest that was tried; 0 where none was
    verified_peak: int = 0  # what it needed
    verified_predicted: int = 0  # what it should have needed
    growth_per_step: Interval | None = None  # bytes that stay behind after a step
    reserved: int | None = None  # what a GPU's allocator reserves for this step alone
    retries: int | None = None  # times it had to free its cache and try again during the step
    over_step: tuple[PartMemory, ...] = ()  # from the first part of the step to the last
    remark: str = ""


class Profile(Record, frozen=True):
    """The anatomy of a task's step.

    `parts` sum to the wall time of training per step, evaluation and checkpoints included. Those of the step itself,
    all but "evaluation", "checkpoint" and "hiccups", sum to `step_s`. What a step does between its parts is called
    "other"; what the slowest steps took beyond the typical ones is called "hiccups".

    A field that is None was not looked at.
    """

    task: str
    plan: tuple[str, ...]
    steps: int
    step_s: Interval
    samples_per_s: float
    parts: tuple[PartTime, ...]
    parameters: int
    peak_bytes: int
    verdict: str  # one sentence
    batch_size: int = 0
    device: str = "cpu"
    planned_steps: int | None = None
    build_s: float = 0.0  # to build model, optimizer and data
    first_step_s: float = 0.0  # compilation and first-time allocations included
    evaluation_s: float = 0.0  # one evaluation
    steps_per_evaluation: int = 0
    checkpoint_s: float = 0.0  # that the training waits for one checkpoint
    spent_s: float = 0.0  # on all of this
    complexity: Complexity | None = None
    layer_s: dict[str, float] = {}  # what the operators of each layer took, forward and backward
    roofline: Roofline | None = None
    growth: tuple[Growth, ...] = ()
    memory: MemoryAccount | None = None
    spread: StepSpread | None = None
    loading: Loading | None = None
    operators: tuple[Operator, ...] | None = None
    structure: Structure | None = None
    load: MachineLoad | None = None
    ablations: tuple[Ablation, ...] = field(default=(), name="probes")  # named so in files of hasten 0.1
    diagnosis: Diagnosis | None = None
    command: str = ""  # what names the task on the command line; empty where nothing does
    peak_of: str = "a step"  # what `peak_bytes` is of: of "the process" also what it had before its training
    one_size: str = ""  # why steps on fewer or more samples say nothing; empty where they were made
    process_s: tuple[float, ...] = ()  # that each of several processes works in a step, without waiting for others
    remarks: tuple[str, ...] = ()  # what could not be measured, and why

    @property
    def device_kind(self) -> str:
        """The device without its index, as peaks of the machine name it."""
        return self.device.partition(":")[0]

    @property
    def on_host(self) -> bool:
        """Whether the CPU did the work."""
        return self.device_kind == "cpu"

    def share(self, *names: str) -> float:
        """Return the share of all wall time that the named parts take together."""
        return sum(part.share for part in self.parts if part.name in names)

    def seconds(self, *names: str) -> float:
        """Return the wall time per step of the named parts together."""
        return sum(part.seconds for part in self.parts if part.name in names)

    def ablation(self, name: str) -> Ablation | None:
        """Return the ablation of that name, or None if it was not run or failed."""
        return next(
            (ablation for ablation in self.ablations if ablation.name == name and ablation.ratio is not None), None
        )
