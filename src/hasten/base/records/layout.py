"""How processes share a training: a layout, what a step of it costs, and which one to use."""

from msgspec import structs

from hasten.base.records.plan import Choice, Plan
from hasten.base.records.record import Interval, Record

LINK_BYTES_PER_S, LATENCY_S = 12.5e9, 20e-6
"""Of links that are neither here nor given: 100 Gbit/s, as of one PCIe 4.0 x8 or InfiniBand EDR, and a usual latency of
an NCCL call over it."""


class Layout(Record, frozen=True):
    """How processes share a training: `replicas` groups, each of `shards` processes that hold one model together.

    One replica of one shard is a single process. `samples` is the largest share of a batch, computed in passes of
    `micro_batch` samples, by one process or by `parts` of them together, which hold and compute a part of its layers
    each, or by `stages` of them one after the other, each with some of its layers.
    """

    samples: int
    micro_batch: int
    replicas: int
    shards: int
    parts: int
    stages: int
    every: int  # steps from one synchronization to the next; above 1 each process updates on its own in between
    bucket_bytes: int | None = None  # of gradients that are reduced during the backward pass; None: in one piece after
    reshard: bool = False  # gathered parameters are dropped after the forward pass, and gathered again
    outer: bool = False  # what synchronizes has a momentum of its own
    factors: bool = False  # gradients are sent as products of two thin matrices
    choices: tuple[Choice, ...] = ()  # the techniques that make it

    @property
    def processes(self) -> int:
        """Number of processes."""
        return self.shares * self.parts * self.stages

    @property
    def shares(self) -> int:
        """Into how many shares a batch is divided."""
        return self.replicas * self.shards

    @property
    def same_training(self) -> bool:
        """Whether each step is that of one process, but for rounding."""
        return self.every == 1 and not self.factors

    @property
    def passes(self) -> int:
        """Forward and backward passes of a process in one step."""
        return -(-self.samples // self.micro_batch)

    @property
    def label(self) -> str:
        """The processes and the techniques: `2 processes, fsdp(reshard=False)`."""
        count = "one process" if self.processes == 1 else f"{self.processes} processes"
        return ", ".join((count, *(one.label for one in self.choices)))


class Nodes(Record, frozen=True):
    """Machines with as many devices each, and what it takes to send from one to another.

    All devices of a node together send `bytes_per_s`; one that sends alone has all of it, as far as its own link goes.
    """

    devices: int  # of each node
    latency_s: float
    bytes_per_s: float


class Links(Record, frozen=True):
    """What it takes to send: a message of V bytes arrives after `latency_s` + V / `bytes_per_s`.

    `overlap` is the share of a communication that costs no time while the device computes, from 0 to 1. Where devices
    are in several `nodes`, this is the link inside of one.
    """

    latency_s: float
    bytes_per_s: float
    overlap: float
    nodes: Nodes | None = None


class StepTimes(Record, frozen=True):
    """Times of one process: a forward and backward pass on m samples takes `pass_s` + m * `sample_s`."""

    pass_s: float
    sample_s: float
    update_s: float  # of the gradient's transforms and of the optimizer, over all parameters
    backward_share: float  # of a pass
    spread: float = 0.0  # standard deviation of the time of a step, as a share of it


class StageMemory(Record, frozen=True):
    """Bytes of one stage of a pipeline.

    Of a micro-batch of m samples it keeps `held_bytes` + m * `held_sample_bytes` from its forward to its backward pass,
    and has at most `peak_bytes` + m * `peak_sample_bytes` while it computes, beside its gradients. It sends
    `sent_bytes` + m * `sent_sample_bytes` to the next stage, and gets as many back.
    """

    work: float  # of the stage, as a share of a pass of the whole model
    parameter_bytes: int
    gradient_bytes: int
    tied_bytes: int  # of the gradients: of parameters that several stages use, which every process has
    held_bytes: float
    held_sample_bytes: float
    peak_bytes: float
    peak_sample_bytes: float
    sent_bytes: float
    sent_sample_bytes: float
    input_sample_bytes: float  # of the batch, which every process of a group reads


class StepMemory(Record, frozen=True):
    """Bytes of one process that holds all of the model.

    Beside parameters and optimizer state, the forward pass on m samples holds at most `forward_bytes` + m *
    `forward_sample_bytes`, both passes `passes_bytes` + m * `passes_sample_bytes`, gradients included, and the update
    `update_bytes`, beside the gradients. Of a process that has a part of the layers, `summed` are the activations, and
    gradients of them, that all parts add up in every pass, as bytes and bytes a sample. Of a model that processes hold
    in `stages`, these are the stages, and everything else is that of the whole model. Where gradients are sent as
    factors they take `factor_bytes`.
    """

    parameter_bytes: int
    gradient_bytes: int
    state_bytes: int  # of the optimizer
    buffer_bytes: int
    forward_bytes: float
    forward_sample_bytes: float
    passes_bytes: float
    passes_sample_bytes: float
    update_bytes: float
    groups: tuple[
        int, ...
    ]  # parameters that are gathered at once where they are sharded: the repeated blocks, the rest
    summed: tuple[tuple[float, float], ...] = ()
    stages: tuple[StageMemory, ...] = ()
    factor_bytes: int = 0


class CountedWork(Record, frozen=True):
    """What the operators of a pass do: (operations, bytes read and written) of each."""

    forward: tuple[tuple[int, int], ...]
    backward: tuple[tuple[int, int], ...]


class CountedStep(Record, frozen=True):
    """A step of one process, counted on tensors that have no memory.

    `work` is that of two micro-batches of `samples`. `why_not` says why it could not be counted, and is
    empty where it could; the parameters may be known then, too.
    """

    parameter_bytes: int | None = None
    memory: StepMemory | None = None
    samples: tuple[int, ...] = ()
    work: tuple[CountedWork, ...] = ()
    why_not: str = ""


class Tried(Record, frozen=True):
    """What was found of layouts without devices: label -> why one cannot be used; number of stages -> the stages."""

    why_not: dict[str, str]
    stages: dict[int, tuple[StageMemory, ...]]


class LayoutCost(Record, frozen=True):
    """What one layout is predicted to cost; `why_not` says why it cannot be used, and is empty where it can.

    `step_s` has the median prediction, and the 10 and 90 % quantiles over the readings as its band; `slow_step_s` is
    the median on links of a tenth of the bandwidth.
    """

    layout: Layout
    memory_bytes: int
    step_s: Interval
    sent_bytes: float  # by each process in a step
    slow_step_s: float
    why_not: str = ""
    divided: float | None = None  # share of the parameters of which a process has a part, where only some are divided
    waiting: float | None = None  # share of the passes that processes wait for other stages, where they have stages


class LayoutPlan(Record, frozen=True):
    """The layouts of a training on some devices, those that can be used first, the fastest first of all."""

    task: str
    devices: int
    memory_bytes: int  # of a device, that may be used
    batch_size: int
    costs: tuple[LayoutCost, ...]
    times: StepTimes  # median readings
    memory: StepMemory
    links: Links  # median readings
    measured_links: bool  # on the devices themselves
    counted_steps: bool = False  # not measured: the training does not fit into this machine
    assumptions: tuple[str, ...] = ()

    @property
    def usable(self) -> tuple[LayoutCost, ...]:
        """The layouts that fit and train as one process does, the fastest first."""
        return tuple(one for one in self.costs if not one.why_not and one.layout.same_training)

    @property
    def other_trainings(self) -> tuple[LayoutCost, ...]:
        """The layouts that fit and whose weights take another path, the fastest first."""
        return tuple(one for one in self.costs if not one.why_not and not one.layout.same_training)

    @property
    def plan(self) -> Plan:
        """The plan of the fastest layout that fits and trains as one process does."""
        return Plan(task=self.task, choices=self.usable[0].layout.choices)


class LayoutTrial(Record, frozen=True):
    """What the first process of one trial wrote: the seconds of its timed steps, and the most memory it had."""

    step_s: tuple[float, ...]
    peak_bytes: int  # tensors on an accelerator; on the CPU the resident memory of the process


class LayoutMeasured(Record, frozen=True):
    """One layout as it was predicted and as it ran, each trial in new processes.

    `speedup` is over one process, paired round by round. `gradient_error` is the largest error of a tensor of the first
    gradient against one process's, as a share of that tensor.
    """

    predicted: LayoutCost
    step_s: Interval | None = None
    speedup: Interval | None = None
    gradient_error: float | None = None
    peak_bytes: int | None = None
    why_not: str = ""  # it failed, or its gradient is another one


class LayoutTuning(Record, frozen=True):
    """Layouts of the processes of this machine, run against one process, which is the first of them."""

    task: str
    processes: int
    rounds: int
    steps: int  # timed in a trial
    measured: tuple[LayoutMeasured, ...]
    chosen: int  # which of them to use
    spent_s: float
    remark: str = ""  # why the times are not those of an idle machine

    @property
    def best(self) -> LayoutMeasured:
        """The layout to use: one process, unless another one is surely faster."""
        return self.measured[self.chosen]

    @property
    def plan(self) -> Plan:
        """The plan of the layout to use, with what it gains."""
        layout, speedup = self.best.predicted.layout, self.best.speedup
        note = f"in {layout.processes} processes, against one"
        return Plan(
            task=self.task,
            choices=tuple(structs.replace(one, gain=speedup, note=note) for one in layout.choices),
        )
