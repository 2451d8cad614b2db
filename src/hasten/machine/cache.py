"""Measured machines kept on disk, one file per hardware and versions."""

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path

import msgspec

from hasten.base.cache_folder import cache_folder
from hasten.base.errors import BadInput
from hasten.base.records.machine import Machine
from hasten.base.records.sealed import load_sealed, save_sealed
from hasten.machine.facts import facts
from hasten.machine.measurement import measure

_SCHEMA = 5  # raise it when what is measured, or how, changes
_log = logging.getLogger(__name__)


def load_cached(*, quick: bool = False, folder: Path | None = None) -> Machine:
    """Return this machine as measured before, or measure it now and keep that.

    A file that is damaged, or of another machine, is not believed: it is measured again, and a remark says why. What
    was measured while other work kept the machine too busy is returned, but not kept.

    Args:
        quick: content with the measurement of 5 s; a full one is preferred where it is kept.
        folder: where measurements are kept; `cache_folder()` if None.
    """
    folder = cache_folder() if folder is None else folder
    now, said = facts(), list[str]()
    for effort in ("full", "quick") if quick else ("full",):
        path = cache_file(now, effort, folder)
        if path.exists():
            try:
                return _with_remarks(_read(path, now), said)
            except BadInput as error:
                said.append(f"cached measurement not used: {error}")
                _log.warning("%s", said[-1])
    machine = measure(quick=quick, disk_folder=folder)
    if is_steady(machine):
        try:
            store_cached(machine, quick=quick, folder=folder)
        except BadInput as error:
            said.append(f"measurement not cached: {error}")
            _log.warning("%s", said[-1])
    else:
        said.append("not cached: most rates are too noisy; the next call measures again")
    return _with_remarks(machine, said)


def store_cached(machine: Machine, *, quick: bool = False, folder: Path | None = None) -> Path:
    """Keep a measured machine for `load_cached`, and return its file.

    Raises:
        BadInput: if the folder cannot be written.
    """
    path = cache_file(machine, "quick" if quick else "full", cache_folder() if folder is None else folder)
    save_sealed(machine, path)
    return path


def is_steady(machine: Machine) -> bool:
    """Return whether at least half of the measured peaks are stable, so that keeping them serves the next caller."""
    return 2 * sum(peak.stable for peak in machine.peaks) >= len(machine.peaks) > 0


def cache_file(machine: Machine, effort: str, folder: Path) -> Path:
    """Return the file in which a machine of these facts is kept; `effort` is "full" or "quick"."""
    return folder / f"machine-{machine_key(machine)}-{effort}.json"


def machine_key(machine: Machine) -> str:
    """Return 16 hexadecimal digits that change with the hardware, the threads, and the versions that do the work."""
    told = (_SCHEMA, *hardware(machine), machine.compiler, machine.python, machine.torch)
    return hashlib.sha256(msgspec.json.encode(told)).hexdigest()[:16]


def hardware(machine: Machine) -> tuple[object, ...]:
    """Return what tells machines apart, whatever is installed on them.

    Memory counts in whole GiB, since what a kernel keeps for itself differs from start to start.
    """
    memory_gib = round(machine.memory_bytes / 2**30)
    return (machine.cpu, machine.isa, machine.cores, machine.threads, memory_gib, machine.gpu)


def _read(path: Path, now: Machine) -> Machine:
    kept = load_sealed(Machine, path)
    if machine_key(kept) != machine_key(now):
        raise BadInput(f"{path} must be of this machine; found: one of {kept.cpu}, torch {kept.torch}.")
    return msgspec.structs.replace(now, peaks=kept.peaks, remarks=kept.remarks, measured_s=kept.measured_s)


def _with_remarks(machine: Machine, said: Sequence[str]) -> Machine:
    return msgspec.structs.replace(machine, remarks=(*machine.remarks, *said))
