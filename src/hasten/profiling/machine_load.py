"""Load of the machine by other processes while steps are measured."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter, process_time

import psutil

from hasten.base.records.signals import MachineLoad
from hasten.machine.scheduling import waited_for_core_s


@dataclass(frozen=True)
class _Reading:
    wall_s: float
    busy_s: float  # of all cores, by anybody
    own_s: float  # by this process and its children
    waited_s: float
    clock_mhz: float | None


@dataclass
class Observed:
    """The load, once the body has ended."""

    load: MachineLoad | None = None


@contextmanager
def load_observed() -> Generator[Observed]:
    """Observe the load of the machine from entering to leaving."""
    observed, before = Observed(), _read()
    yield observed
    after = _read()
    wall_s = after.wall_s - before.wall_s
    own_s, busy_s = after.own_s - before.own_s, after.busy_s - before.busy_s
    cores = psutil.cpu_count(logical=True) or 1
    clocks = [clock for clock in (before.clock_mhz, after.clock_mhz) if clock]
    observed.load = MachineLoad(
        foreign_share=max(busy_s - own_s, 0.0) / (cores * wall_s),
        waited_share=(after.waited_s - before.waited_s) / wall_s,
        clock_share=min(clocks) / max(clocks) if clocks else None,
        temperature_c=_temperature_c(),
    )


def _read() -> _Reading:
    times = psutil.cpu_times()
    idle_s = times.idle + getattr(times, "iowait", 0.0)
    # steal and guest time are other machines' and counted twice
    total_s = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
    frequency = psutil.cpu_freq() if hasattr(psutil, "cpu_freq") else None
    return _Reading(
        wall_s=perf_counter(),
        busy_s=total_s - idle_s,
        own_s=process_cpu_s(),
        waited_s=waited_for_core_s(),
        clock_mhz=frequency.current if frequency is not None and frequency.current else None,
    )


def process_cpu_s() -> float:
    """Return the processor seconds that this process and its children, living and ended, have used."""
    own = psutil.Process()
    ended = own.cpu_times()
    used = process_time() + ended.children_user + ended.children_system
    for child in own.children(recursive=True):
        try:
            of_child = child.cpu_times()
        except psutil.NoSuchProcess:  # it has ended meanwhile, and is counted above from then on
            continue
        used += of_child.user + of_child.system
    return used


def _temperature_c() -> float | None:
    if not hasattr(psutil, "sensors_temperatures"):
        return None
    readings = [reading.current for group in psutil.sensors_temperatures().values() for reading in group]
    return max(readings, default=None)
