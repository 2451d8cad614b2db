"""Which layouts of a training fit on some devices, and what a step of each is predicted to take."""

import math
from collections.abc import Iterator, Sequence
from itertools import product
from statistics import median

import numpy as np
from msgspec import structs

from hasten.base.device import Device
from hasten.base.records.layout import Layout, LayoutCost, LayoutPlan, Links
from hasten.base.records.machine import Machine
from hasten.base.records.record import Interval
from hasten.base.units import nbytes
from hasten.machine.links import measured_links
from hasten.techniques.parallel.layouts import in_passes, layouts, why_not
from hasten.training.recipe import Recipe
from hasten.tuning.layouts.memory import memory_bytes
from hasten.tuning.layouts.one_process import Measured, OneProcess
from hasten.tuning.layouts.readings import median_times
from hasten.tuning.layouts.time import communication, step_s

FILL = 0.9
"""Of a device's memory: what a layout may be predicted to need; the rest is for the allocator and the libraries."""
LINK_BYTES_PER_S, LATENCY_S = 12.5e9, 20e-6
"""Of links that are neither here nor given: 100 Gbit/s, as of one PCIe 4.0 x8 or InfiniBand EDR, and a usual latency of
an NCCL call over it."""
OVERLAPS = (0.0, 0.5, 1.0)
"""What is assumed of links that are not here; the band spans it."""
BAND = (0.1, 0.9)


def predict(
    recipe: Recipe,
    machine: Machine,
    *,
    devices: int,
    memory_limit: int | None = None,
    links: Links | None = None,
    here: bool | None = None,
) -> LayoutPlan:
    """Return the layouts of a training on some devices, with the memory and the time of a step of each.

    Two micro-batches are timed here in one process. Devices that are here are those of this machine: as many cores, or
    as many accelerators; each process then has its part of the threads, and the links between two are measured.
    Devices that are not here are taken to be as fast as this one. No process trains.

    Args:
        recipe: the training in one process.
        machine: what it runs on.
        devices: that may be used.
        memory_limit: bytes of a device; None for what a device here has.
        links: between devices; None to measure them, or to assume the defaults where devices are not here.
        here: whether devices are here; None to look.
    """
    device = recipe.device
    here = _are_here(device, machine, devices) if here is None else here
    crowded = 1.0
    threads = None
    if device.is_host and here and devices > 1:
        threads = max(1, machine.threads // devices)
        crowded = max(1.0, devices * threads / machine.cores)
    read = Measured(recipe, devices, threads=threads, crowded=crowded)
    measured = links is None and here and devices > 1
    if measured:
        readings = measured_links(device.kind, threads=threads or machine.threads)
    else:
        given = links or Links(latency_s=LATENCY_S, bytes_per_s=LINK_BYTES_PER_S, overlap=0.0)
        readings = [structs.replace(given, overlap=one) for one in OVERLAPS]
    limit = math.floor(FILL * (memory_limit or _memory_of(device, machine, devices if here else 1)))
    costs = [_cost(layout, one, readings, why) for layout, one, why in _choices(recipe, machine, devices, read, limit)]
    return LayoutPlan(
        task=recipe.task.name,
        devices=devices,
        memory_bytes=limit,
        batch_size=recipe.input.batch_size,
        costs=tuple(sorted(costs, key=lambda one: (bool(one.why_not), one.step_s.value))),
        times=median_times(read.shared.times),
        memory=read.shared.memory,
        links=median_links(readings),
        measured_links=measured,
        assumptions=tuple(_assumptions(device, here=here, measured=measured, given=links is not None, crowded=crowded)),
    )


def _choices(
    recipe: Recipe, machine: Machine, devices: int, read: Measured, limit: int
) -> Iterator[tuple[Layout, OneProcess, str]]:
    """Yield each layout with the largest micro-batch that fits, what it costs one process, and why it cannot be used.

    The reason is empty where it can; a layout that is refused stands with the numbers of the whole model.
    """
    for whole in layouts(devices, recipe.input.batch_size):
        if why := why_not(whole, recipe, machine):
            yield whole, read.shared, why
            continue
        one = read.of(whole)
        sizes = [math.ceil(whole.samples / 2**halvings) for halvings in range(whole.samples.bit_length() + 1)]
        tried = [in_passes(whole, size) for size in dict.fromkeys(sizes)]
        fits = next((layout for layout in tried if memory_bytes(layout, one.memory) <= limit), None)
        chosen = fits or min(tried, key=lambda layout: memory_bytes(layout, one.memory))
        if fits is None:
            needed = nbytes(memory_bytes(chosen, one.memory))
            yield chosen, one, f"needs {needed} of {nbytes(limit)}, in micro-batches of {chosen.micro_batch}"
        elif chosen is not whole and (why := why_not(chosen, recipe, machine)):
            needed = nbytes(memory_bytes(whole, one.memory))
            yield whole, one, f"needs {needed} of {nbytes(limit)}, and micro-batches are refused: {why}"
        else:
            yield chosen, one, ""


def _cost(layout: Layout, one: OneProcess, links: Sequence[Links], why: str) -> LayoutCost:
    steps = [step_s(layout, times, one.memory, link) for times, link in product(one.times, links)]
    low, high = np.quantile(steps, BAND)
    return LayoutCost(
        layout=layout,
        memory_bytes=memory_bytes(layout, one.memory),
        step_s=Interval(value=median(steps), low=float(low), high=float(high), n=len(steps), level=BAND[1] - BAND[0]),
        sent_bytes=communication(layout, one.memory).sent_bytes / layout.every,
        why_not=why,
        divided=one.divided,
    )


def median_links(readings: Sequence[Links]) -> Links:
    """Return the median of each number."""
    return Links(
        latency_s=median(one.latency_s for one in readings),
        bytes_per_s=median(one.bytes_per_s for one in readings),
        overlap=median(one.overlap for one in readings),
    )


def _are_here(device: Device, machine: Machine, devices: int) -> bool:
    return devices <= (machine.cores if device.is_host else device.count())


def _memory_of(device: Device, machine: Machine, processes: int) -> int:
    """Return the bytes of one device; processes of one machine divide its memory."""
    if machine.gpu is not None and not device.is_host:
        return machine.gpu.memory_bytes
    return machine.memory_bytes // processes


def _assumptions(device: Device, *, here: bool, measured: bool, given: bool, crowded: float) -> Iterator[str]:
    if not here:
        yield f"each device is as fast as this one ({device})"
    if not measured:
        links = "links as given" if given else "links of 100 Gbit/s and 20 µs (--link-gbps, --latency-us)"
        yield f"{links}; the band spans no overlap to full overlap"
    if crowded > 1:
        yield f"processes share cores and compute {crowded:.3g}x slower"
