"""What a step takes, counted on tensors without memory: for trainings that do not fit into this machine."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import msgspec
import torch
from msgspec import structs
from torch.utils._python_dispatch import TorchDispatchMode

from hasten.base.errors import BadInput, HastenError, Unstable, error_text
from hasten.base.records.layout import CountedStep, CountedWork, Layout, StageMemory, StepTimes, Tried
from hasten.base.records.machine import Machine, Peak
from hasten.base.records.record import Record, save
from hasten.data.batch import Batch, nbytes_of
from hasten.measurement.bytes_moved import bytes_moved
from hasten.measurement.formulas import flops_of
from hasten.profiling.stepping import one_batch, resized
from hasten.techniques.parallel.layouts import in_passes, layouts, pipelines
from hasten.training.building import build
from hasten.training.marks import unmarked
from hasten.training.session import Session
from hasten.training.task import Task
from hasten.tuning.forking import can_fork
from hasten.tuning.isolation import why_infeasible
from hasten.tuning.layouts.dry_run import dry_stages, why_not_dry
from hasten.tuning.layouts.fake import on_fake_tensors
from hasten.tuning.layouts.memory import memory_bytes
from hasten.tuning.layouts.one_process import OneProcess
from hasten.tuning.layouts.readings import Block, from_blocks, sizes, watched_memory

Found = TypeVar("Found", bound=Record)

LIMIT_S = 600.0
SLOWER = (1.0, 1.4, 2.0, 3.0, 5.0)
"""How many times as long as its operations at the peak a step is taken to last. Published trainings of large models
use 21 to 46 % of the peak (Chowdhery et al., 2022, arXiv:2204.02311, table 3); `benchmarks/parallel/counted_steps.py`
measures it by the processor's time on one thread."""


def counted_step(task: Task, machine: Machine, devices: int) -> CountedStep:
    """Return the memory and the work of a step of a task in one process, counted without memory for its tensors.

    It is counted in a copy of this process, since a person's code may keep the tensors that it makes.

    Args:
        task: to train.
        machine: that it is for.
        devices: that share a batch.
    """
    return in_copy(partial(_counted, task, machine, devices), CountedStep, lambda why: CountedStep(why_not=why))


def fitting_devices(step: CountedStep, batch_size: int, devices: int, limit: int) -> int | None:
    """Return for how many devices, at least so many, the micro-batches that are measured fit into this machine.

    Args:
        step: as it was counted.
        batch_size: samples of a step.
        devices: that share it.
        limit: bytes that may be used.

    Returns:
        The number, which is larger where only smaller shares fit; None where not even two samples do.
    """
    assert step.memory is not None, "only what could be counted"
    alone, *_ = layouts(1, batch_size)
    count = devices
    while memory_bytes(in_passes(alone, sizes(batch_size, count)[1]), step.memory) > limit:
        if count >= batch_size:
            return None
        count *= 2
    return count


def tried(task: Task, machine: Machine, devices: int, node: int | None = None) -> Tried:
    """Return which layouts of a task that does not fit into this machine cannot be used, each tried without devices.

    Args:
        task: to train.
        machine: that it is for.
        devices: that share a batch.
        node: devices of each machine, where there are several.
    """
    return in_copy(partial(_tried, task, machine, devices, node), Tried, _none_tried)


def _none_tried(why: str) -> Tried:
    raise BadInput(f"the layouts of a model that does not fit into this machine could not be tried: {why}.")


def _tried(task: Task, machine: Machine, devices: int, node: int | None) -> Tried:
    fake = on_fake_tensors(task, machine)
    batch_size = fake.recipe.input.batch_size
    found = {one.label: why_not_dry(one, fake, machine) for one in layouts(devices, batch_size, node)}
    stages = dict[int, tuple[StageMemory, ...]]()
    for one in pipelines(devices, batch_size, node):
        if isinstance(these := dry_stages(one, fake), str):
            found[one.label] = these
            break  # longer ones are not asked for
        stages[one.stages] = these
    return Tried(why_not={label: why for label, why in found.items() if why}, stages=stages)


def in_copy(work: Callable[[], Found], kind: type[Found], failed: Callable[[str], Found]) -> Found:
    """Return the record that some work makes in a copy of this process; here where there can be none.

    Args:
        work: makes the record.
        kind: of the record.
        failed: why the copy ended without one -> the record to return.
    """
    if not can_fork(on_host=True):
        return work()
    with TemporaryDirectory(prefix="hasten-") as folder:
        path = Path(folder, "found.json")
        why = why_infeasible(lambda: save(work(), path), limit_s=LIMIT_S)
        if why is None and not path.exists():
            why = "it failed without a word"
        return failed(why) if why is not None else msgspec.json.decode(path.read_bytes(), type=kind)


def _counted(task: Task, machine: Machine, devices: int) -> CountedStep:
    parameters: int | None = None
    try:
        fake = on_fake_tensors(task, machine)
        parameters = nbytes_of(list(fake.recipe.subject.model().parameters()))
        run = build(fake.recipe)
        batch = fake.batch(one_batch(run))
        micro_batches = sizes(fake.recipe.input.batch_size, devices)
        with fake.mode:
            memory = watched_memory(run, batch, micro_batches)
            work = [_work_of(run, resized(batch, size)) for size in micro_batches]
    except HastenError as error:
        return CountedStep(parameter_bytes=parameters, why_not=str(error).rstrip("."))
    except Exception as error:  # noqa: BLE001  (the model is anybody's code)
        return CountedStep(parameter_bytes=parameters, why_not=error_text(error))
    return CountedStep(parameter_bytes=parameters, memory=memory, samples=micro_batches, work=tuple(work))


def _work_of(run: Session, batch: Batch) -> CountedWork:
    with run.contexts, _Operators() as operators:
        run.forward_backward(run, batch, unmarked)
    return CountedWork(forward=tuple(operators.forward), backward=tuple(operators.backward))


class _Operators(TorchDispatchMode):
    """Counts operations and bytes of each operator, those of forward and backward pass apart."""

    def __init__(self) -> None:
        super().__init__()
        self.forward, self.backward = list[tuple[int, int]](), list[tuple[int, int]]()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        output = func(*args, **kwargs)
        cost = flops_of(func, args, kwargs, output) or 0, bytes_moved(func, args, kwargs, output)
        if any(cost):
            (self.backward if torch._C._current_graph_task_id() != -1 else self.forward).append(cost)
        return output


class Counted:
    """What a step costs one process of each layout: counted memory, and the roofline of the work on this machine.

    Args:
        step: as it was counted.
        stages: of pipelines, by their number.
        machine: with measured peaks.
        device: "cpu" or "cuda".

    Raises:
        Unstable: if the peaks are not known.
    """

    def __init__(
        self, step: CountedStep, stages: Mapping[int, tuple[StageMemory, ...]], machine: Machine, device: str
    ) -> None:
        assert step.memory is not None, "only what could be counted"
        fastest = least_times(step, *(one.rate for one in peaks(machine, device)))
        self.alone = self.shared = OneProcess([_slower(fastest, factor) for factor in SLOWER], step.memory)
        self._stages = stages

    def of(self, layout: Layout) -> OneProcess:
        """Return what a layout costs one process."""
        if layout.stages == 1:
            return self.shared
        stages = self._stages[layout.stages]
        return OneProcess(self.shared.times, structs.replace(self.shared.memory, stages=stages))


def peaks(machine: Machine, device: str) -> tuple[Peak, Peak]:
    """Return the peak of float32 products, in operations per second, and of the memory, in bytes per second.

    Raises:
        Unstable: if there is none.
    """
    gemms = [one for one in machine.peaks if (one.kind, one.format, one.device) == ("gemm", "float32", device)]
    memories = [one for one in machine.peaks if (one.kind, one.device) == ("memory", device)]
    if not gemms or not memories:
        raise Unstable("no peak of this machine could be measured, so a step that does not fit has no time.")
    fastest: Callable[[Peak], float] = lambda one: one.rate  # noqa: E731
    return max(gemms, key=fastest), max(memories, key=fastest)


def least_times(step: CountedStep, flops_s: float, bytes_s: float) -> StepTimes:
    """Return the least times of a counted step: each operator takes that of its operations, or that of its bytes.

    Args:
        step: whose memory and work are known.
        flops_s: peak of products, in operations per second.
        bytes_s: peak of the memory, in bytes per second.

    Source: Williams, Waterman and Patterson (2009), doi:10.1145/1498765.1498785, applied operator by operator.
    """
    memory = step.memory
    assert memory is not None, "only what could be counted"
    updated = 2 * memory.parameter_bytes + memory.gradient_bytes + 2 * memory.state_bytes
    blocks = list[Block]()
    for samples, work in zip(step.samples, step.work, strict=True):
        forward_s, backward_s = (
            sum(max(flops / flops_s, moved / bytes_s) for flops, moved in part)
            for part in (work.forward, work.backward)
        )
        blocks.append(
            Block(
                samples=samples,
                whole_s=forward_s + backward_s + updated / bytes_s,
                spread=0.0,
                passes_s=forward_s + backward_s,
                backward_s=backward_s,
                update_s=updated / bytes_s,
            )
        )
    return from_blocks(*blocks)


def _slower(times: StepTimes, factor: float) -> StepTimes:
    return structs.replace(
        times, pass_s=factor * times.pass_s, sample_s=factor * times.sample_s, update_s=factor * times.update_s
    )
