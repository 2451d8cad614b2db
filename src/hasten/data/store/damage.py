"""Damage in a store: where it is, which samples it hits, what to do."""

from pathlib import Path

from hasten.base.errors import BadInput
from hasten.base.records.record import Record
from hasten.data.store.manifest import way_out


class DamagedStore(BadInput):
    """A store that is not as it was written."""


class Damage(Record, frozen=True):
    """A part of a file that is not as it was written."""

    file: str
    block: int | None  # None where it is the header or the whole file
    byte_range: tuple[int, int]  # of the file, end excluded
    rows: tuple[int, int]  # of the array that it touches, end excluded
    samples: tuple[int, int] | None  # those that it touches, end excluded; None where the rows belong to no sample
    expected: str
    found: str


def damage_error(folder: Path, damage: Damage) -> DamagedStore:
    """Return the error that names the damage and the way out."""
    start, end = damage.byte_range
    block = "" if damage.block is None else f", block {damage.block}"
    what, (first, stop) = ("rows", damage.rows) if damage.samples is None else ("samples", damage.samples)
    return DamagedStore(
        f"{folder / damage.file}{block}, bytes {start} to {end - 1} ({what} {first} to {stop - 1}): expected "
        f"{damage.expected}; found {damage.found}, so the file is damaged. "
        f"hasten verify {folder} lists all damage. {way_out(folder)}"
    )
