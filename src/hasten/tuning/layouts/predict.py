"""Which layouts of a training fit on some devices, and what a step of each is predicted to take."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import product
from statistics import median
from typing import Any, Protocol, TypeAlias

import numpy as np
import psutil
from msgspec import structs

from hasten.base.device import Device
from hasten.base.errors import BadInput
from hasten.base.records.layout import (
    LATENCY_S,
    LINK_BYTES_PER_S,
    CountedStep,
    Layout,
    LayoutCost,
    LayoutPlan,
    Links,
    Nodes,
    Tried,
)
from hasten.base.records.machine import Machine
from hasten.base.records.record import Interval
from hasten.base.units import nbytes
from hasten.machine.links import measured_links
from hasten.techniques.parallel.layouts import (
    in_passes,
    layouts,
    other_trainings,
    pipelines,
    why_not,
    with_whole_statistics,
)
from hasten.training.recipe import Recipe
from hasten.tuning.layouts.counting import SLOWER, Counted, fitting_devices, peaks
from hasten.tuning.layouts.memory import memory_bytes
from hasten.tuning.layouts.one_process import Measured, OneProcess
from hasten.tuning.layouts.pipelines import waiting_share
from hasten.tuning.layouts.readings import median_times
from hasten.tuning.layouts.time import communication, step_s

FILL = 0.9
"""Of a device's memory: what a layout may be predicted to need; the rest is for the allocator and the libraries."""
OVERLAPS = (0.0, 0.5, 1.0)
"""What is assumed of links that are not here; the band spans it."""
BAND = (0.1, 0.9)
SLOWER_LINKS = 10
"""How much less of bandwidth the links have that trainings which send less are told for."""


def predict(
    recipe: Recipe,
    machine: Machine,
    *,
    devices: int,
    memory_limit: int | None = None,
    links: Links | None = None,
    nodes: Nodes | None = None,
    here: bool | None = None,
    measured_for: int | None = None,
) -> LayoutPlan:
    """Return the layouts of a training on some devices, with the memory and the time of a step of each.

    Two micro-batches are timed here in one process. Devices that are here are those of this machine: as many cores, or
    as many accelerators; each process then has its part of the threads, the links between two are measured, and on a
    CPU the other cores compute while a step is timed. Devices that are not here are taken to be as fast as this one. No
    process trains.

    Args:
        recipe: the training in one process.
        machine: what it runs on.
        devices: that may be used.
        memory_limit: bytes of a device; None for what a device here has.
        links: between devices, of one node where there are several; None to measure them, or to assume the defaults
            where devices are not here.
        nodes: that the devices are in; those of one are here if this machine has as many. None for one node.
        here: whether devices are here; None to look.
        measured_for: number of devices whose share is measured, where that of `devices` does not fit into this machine.
    """
    device, together = recipe.device, devices if nodes is None else nodes.devices
    here = _are_here(device, machine, together) if here is None else here
    crowded, busy, threads = 1.0, 0, None
    if device.is_host and here and together > 1:
        threads = max(1, machine.threads // together)
        crowded = max(1.0, together * threads / machine.cores)
        busy = min(together * threads, machine.cores) - threads
    read = Measured(recipe, measured_for or devices, threads=threads, crowded=crowded, busy=busy)
    measured = links is None and here and together > 1
    readings = measured_links(device.kind, threads=threads or machine.threads) if measured else _assumed_links(links)
    limit = _limit(device, machine, together if here else 1, memory_limit)
    whys = partial(why_not, recipe=recipe, machine=machine)
    batch_size, node = recipe.input.batch_size, None if nodes is None else nodes.devices
    known = [
        *(with_whole_statistics(one, recipe) for one in layouts(devices, batch_size, node)),
        *other_trainings(devices, batch_size),
    ]
    return _plan(
        recipe,
        read,
        [structs.replace(one, nodes=nodes) for one in readings],
        [*_choices(known, whys, read, limit), *_pipeline(pipelines(devices, batch_size, node), whys, read, limit)],
        devices=devices,
        limit=limit,
        measured_links=measured,
        assumptions=(
            *_assumptions(device, nodes, here=here, measured=measured, given=links is not None, crowded=crowded),
            *([f"steps were timed with {read.beside} of {busy} other cores busy"] if read.beside < busy else []),
        ),
    )


def predict_counted(
    recipe: Recipe,
    machine: Machine,
    step: CountedStep,
    seen: Tried,
    *,
    devices: int,
    memory_limit: int | None = None,
    links: Links | None = None,
    nodes: Nodes | None = None,
) -> LayoutPlan:
    """Return the layouts of a training that does not fit into this machine, from a step that was counted.

    Args:
        recipe: the training in one process, which is not built.
        machine: with measured peaks.
        step: its memory and its work.
        seen: what was found of layouts without their devices.
        devices: that may be used; they are taken to be as fast as this one.
        memory_limit: bytes of a device; None for what a device here has.
        links: between devices, of one node where there are several; None to assume the defaults.
        nodes: that the devices are in; None for one node.

    Raises:
        Unstable: if the peaks of the machine are not known.
    """
    device = recipe.device
    unsure = not all(one.stable for one in peaks(machine, device.kind))
    read, limit = Counted(step, seen.stages, machine, device.kind), _limit(device, machine, 1, memory_limit)
    whys: WhyNot = lambda layout: seen.why_not.get(layout.label, "")  # noqa: E731
    batch_size, node = recipe.input.batch_size, None if nodes is None else nodes.devices
    return _plan(
        recipe,
        read,
        [structs.replace(one, nodes=nodes) for one in _assumed_links(links)],
        [
            *_choices([*layouts(devices, batch_size, node), *other_trainings(devices, batch_size)], whys, read, limit),
            *_pipeline(pipelines(devices, batch_size, node), whys, read, limit),
        ],
        devices=devices,
        limit=limit,
        measured_links=False,
        counted_steps=True,
        assumptions=(
            f"steps take {SLOWER[0]:g} to {SLOWER[-1]:g} times as long as their operations at this machine's peaks",
            *(["the peaks of this machine, which were measured beside other work"] if unsure else []),
            "the parts of a batch add up to the whole, where micro-batches are used",
            "a pipeline's stages compute what the whole model does, which is proven where a training starts",
            *_assumptions(device, nodes, here=False, measured=False, given=links is not None, crowded=1.0),
        ),
    )


WhyNot: TypeAlias = Callable[[Layout], str]
"""Why a layout cannot be used, whatever it needs; nothing where it can."""
Choice: TypeAlias = tuple[Layout, OneProcess, str]
"""A layout, what it costs one process, and why it cannot be used; nothing where it can."""


class Read(Protocol):
    """What a step of each layout costs one of its processes."""

    shared: OneProcess

    def of(self, layout: Layout) -> OneProcess:
        """Return what a layout costs one process."""
        ...


def _plan(
    recipe: Recipe,
    read: Read,
    links: Sequence[Links],
    choices: Iterable[Choice],
    *,
    devices: int,
    limit: int,
    **facts: Any,
) -> LayoutPlan:
    costs = [_cost(layout, one, links, why) for layout, one, why in choices]
    return LayoutPlan(
        task=recipe.task.name,
        devices=devices,
        memory_bytes=limit,
        batch_size=recipe.input.batch_size,
        costs=tuple(sorted(costs, key=lambda one: (bool(one.why_not), one.step_s.value))),
        times=median_times(read.shared.times),
        memory=read.shared.memory,
        links=median_links(links),
        **facts,
    )


def devices_that_fit(step: CountedStep, recipe: Recipe, machine: Machine, devices: int) -> int | None:
    """Return for how many devices, at least `devices`, the share of one can be measured in this machine; None if none.

    A step that could not be counted is measured, as far as its parameters are known to fit.

    Raises:
        BadInput: if the parameters do not fit, and the step could not be counted.
    """
    limit = _limit(recipe.device, machine, 1, None)
    if recipe.device.is_host:
        limit = min(limit, math.floor(FILL * psutil.virtual_memory().available))
    if step.memory is not None:
        return fitting_devices(step, recipe.input.batch_size, devices, limit)
    if step.parameter_bytes is not None and 2 * step.parameter_bytes > limit:  # and as many gradients
        raise BadInput(
            f"{recipe.task.name!r} has {nbytes(step.parameter_bytes)} of parameters, too many for this machine, and a "
            f"step could not be counted on tensors without memory: {step.why_not}. A model must not look at the values "
            "of its tensors there (.item(), .numpy(), if x.sum() > 0), nor move itself (.to()). Change that, plan for "
            "the same model with fewer layers, or plan on a larger machine."
        )
    return devices


def _assumed_links(links: Links | None) -> list[Links]:
    given = links or Links(latency_s=LATENCY_S, bytes_per_s=LINK_BYTES_PER_S, overlap=0.0)
    return [structs.replace(given, overlap=one) for one in OVERLAPS]


def _limit(device: Device, machine: Machine, processes: int, memory_limit: int | None) -> int:
    return math.floor(FILL * (memory_limit or _memory_of(device, machine, processes)))


def _choices(candidates: Iterable[Layout], why_not: WhyNot, read: Read, limit: int) -> Iterator[Choice]:
    """Yield each layout with the largest micro-batch that fits, what it costs one process, and why it cannot be used.

    The reason is empty where it can; a layout that is refused stands with the numbers of the whole model.
    """
    for whole in candidates:
        if why := why_not(whole):
            yield whole, read.shared, why
        else:
            yield _fitted(whole, why_not, read, limit)


def _pipeline(candidates: Iterable[Layout], why_not: WhyNot, read: Read, limit: int) -> list[Choice]:
    """Return the pipeline of the fewest stages that fits, since more wait more; else the last that can be made.

    Args:
        candidates: pipelines, those with the fewest stages first; of what is refused there are no longer ones.
        why_not: why one cannot be used.
        read: what a step costs one process.
        limit: bytes of a device.
    """
    found = list[Choice]()
    for one in candidates:
        if why := why_not(one):
            return found or [(one, read.shared, why)]
        found = [_fitted(one, why_not, read, limit)]
        if not found[0][2]:
            break
    return found


def _fitted(whole: Layout, why_not: WhyNot, read: Read, limit: int) -> Choice:
    """Return a layout with the largest micro-batch that fits."""
    one = read.of(whole)
    sizes = [math.ceil(whole.micro_batch / 2**halvings) for halvings in range(whole.micro_batch.bit_length() + 1)]
    tried = [in_passes(whole, size) for size in dict.fromkeys(sizes)]
    fits = next((layout for layout in tried if memory_bytes(layout, one.memory) <= limit), None)
    chosen = fits or min(tried, key=lambda layout: memory_bytes(layout, one.memory))
    if fits is None:
        needed = nbytes(memory_bytes(chosen, one.memory))
        return chosen, one, f"needs {needed} of {nbytes(limit)}, in micro-batches of {chosen.micro_batch}"
    if chosen is not whole and (why := why_not(chosen)):
        needed = nbytes(memory_bytes(whole, one.memory))
        return whole, one, f"needs {needed} of {nbytes(limit)}, and micro-batches are refused: {why}"
    return chosen, one, ""


def _cost(layout: Layout, one: OneProcess, links: Sequence[Links], why: str) -> LayoutCost:
    steps = [step_s(layout, times, one.memory, link) for times, link in product(one.times, links)]
    slow = [step_s(layout, times, one.memory, slower(link)) for times, link in product(one.times, links)]
    low, high = np.quantile(steps, BAND)
    return LayoutCost(
        layout=layout,
        memory_bytes=memory_bytes(layout, one.memory),
        step_s=Interval(value=median(steps), low=float(low), high=float(high), n=len(steps), level=BAND[1] - BAND[0]),
        sent_bytes=communication(layout, one.memory).sent_bytes / layout.every,
        slow_step_s=median(slow),
        why_not=why,
        divided=one.divided,
        waiting=waiting_share(layout, one.memory) if one.memory.stages else None,
    )


def slower(links: Links) -> Links:
    """Return links of a tenth of the bandwidth, between nodes, too."""
    nodes = links.nodes and structs.replace(links.nodes, bytes_per_s=links.nodes.bytes_per_s / SLOWER_LINKS)
    return structs.replace(links, bytes_per_s=links.bytes_per_s / SLOWER_LINKS, nodes=nodes)


def median_links(readings: Sequence[Links]) -> Links:
    """Return the median of each number."""
    return Links(
        latency_s=median(one.latency_s for one in readings),
        bytes_per_s=median(one.bytes_per_s for one in readings),
        overlap=median(one.overlap for one in readings),
        nodes=readings[0].nodes,
    )


def _are_here(device: Device, machine: Machine, devices: int) -> bool:
    return devices <= (machine.cores if device.is_host else device.count())


def _memory_of(device: Device, machine: Machine, processes: int) -> int:
    """Return the bytes of one device; processes of one machine divide its memory."""
    if machine.gpu is not None and not device.is_host:
        return machine.gpu.memory_bytes
    return machine.memory_bytes // processes


def _assumptions(
    device: Device, nodes: Nodes | None, *, here: bool, measured: bool, given: bool, crowded: float
) -> Iterator[str]:
    if not here:
        yield f"each device is as fast as this one ({device})"
    if nodes is not None:
        yield "all nodes are alike; the devices of one divide its link to others, which one alone can use up"
    if nodes is not None and here:
        yield "each node is like this machine"
    if not measured:
        links = "links as given" if given else "links of 100 Gbit/s and 20 µs (--link-gbps, --latency-us)"
        yield f"{links}; the band spans no overlap to full overlap"
    if crowded > 1:
        yield f"processes share cores and compute {crowded:.3g}x slower"
