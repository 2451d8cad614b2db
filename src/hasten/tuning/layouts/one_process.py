"""What a step of each layout costs one of its processes, measured in this one: times and memory."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import psutil
from msgspec import structs

from hasten.base.device import Device
from hasten.base.records.layout import Layout, StepMemory, StepTimes
from hasten.profiling.stepping import one_batch
from hasten.techniques.parallel.splitting import divided_share
from hasten.techniques.parallel.stages import Staging, staged
from hasten.training.building import build
from hasten.training.recipe import Recipe
from hasten.tuning.forking import can_fork
from hasten.tuning.layouts.memory import memory_bytes
from hasten.tuning.layouts.parts import in_parts, summed
from hasten.tuning.layouts.readings import measured_memory, measured_times, sizes
from hasten.tuning.layouts.stages import stage_sizes, watched_stages
from hasten.tuning.state import untouched

SPARE = 0.5
"""Of the memory that is available, for copies that compute beside this process."""


@dataclass(frozen=True)
class OneProcess:
    """What a step costs one process: readings of its times, its memory, and which share of the parameters is divided.

    `divided` is None for a process that holds the whole model, or a shard of all of it.
    """

    times: Sequence[StepTimes]
    memory: StepMemory
    divided: float | None = None


class Measured:
    """What a step costs one process of each layout, measured here.

    Args:
        recipe: the training in one process.
        devices: whose share of a batch is measured.
        threads: of each of several processes; None for as many as one has.
        crowded: how much less of a core each of several gets.
        busy: cores beside those of one of several on which the others compute.
    """

    def __init__(self, recipe: Recipe, devices: int, *, threads: int | None, crowded: float, busy: int = 0) -> None:
        self._recipe, self._devices, self._threads, self._crowded = recipe, devices, threads, crowded
        memory, times = measured_memory(recipe, devices), measured_times(recipe, devices, threads=None)
        self.beside = _copies(busy, memory, sizes(recipe.input.batch_size, devices)[0], recipe.device)
        own = times if threads is None else self._times(recipe, devices)
        self.alone = OneProcess(times, memory)
        self.shared = OneProcess(self._slowed(own), memory)
        self._in_parts, self._in_stages = dict[int, OneProcess](), dict[int, OneProcess]()

    def of(self, layout: Layout) -> OneProcess:
        """Return what a layout costs one process, in parts or stages measured when it is first asked for."""
        if layout.stages > 1:
            if layout.stages not in self._in_stages:
                self._in_stages[layout.stages] = self._stages(layout)
            return self._in_stages[layout.stages]
        if layout.parts == 1:
            return self.alone if layout.processes == 1 else self.shared
        if layout.parts not in self._in_parts:
            self._in_parts[layout.parts] = self._part(layout)
        return self._in_parts[layout.parts]

    def _part(self, layout: Layout) -> OneProcess:
        part, found = in_parts(self._recipe, layout.parts)
        shares = max(1, self._devices // layout.parts)
        times = self._times(part, shares)
        memory = structs.replace(measured_memory(part, shares), summed=summed(part, found, shares))
        return OneProcess(self._slowed(times), memory, divided_share(self._recipe.subject.model(), found))

    def _stages(self, layout: Layout) -> OneProcess:
        staging = staged(self._recipe, layout.stages)
        assert isinstance(staging, Staging), "a model without stages is refused"
        with untouched():
            run = build(self._recipe)
            stages = watched_stages(run, staging, one_batch(run), stage_sizes(layout))
        return replace(self.shared, memory=structs.replace(self.shared.memory, stages=stages))

    def _times(self, recipe: Recipe, devices: int) -> list[StepTimes]:
        return measured_times(recipe, devices, threads=self._threads, beside=self.beside)

    def _slowed(self, times: Sequence[StepTimes]) -> list[StepTimes]:
        return [slowed(one, self._crowded) for one in times]


def _copies(busy: int, memory: StepMemory, samples: int, device: Device) -> int:
    """Return how many copies of this process can compute beside it: as many as cores are busy, if memory holds them."""
    if not can_fork(on_host=device.is_host):
        return 0
    alone = Layout(samples=samples, micro_batch=samples, replicas=1, shards=1, parts=1, stages=1, every=1)
    return min(busy, math.floor(SPARE * psutil.virtual_memory().available / max(1, memory_bytes(alone, memory))))


def slowed(times: StepTimes, factor: float) -> StepTimes:
    """Return the times of processes that each get so much less of a core."""
    return structs.replace(
        times, pass_s=times.pass_s * factor, sample_s=times.sample_s * factor, update_s=times.update_s * factor
    )
