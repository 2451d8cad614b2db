"""The base of every record and its way to a JSON file and back; the interval that most records hold."""

from pathlib import Path
from typing import TypeVar

import msgspec

from hasten.base.errors import BadInput
from hasten.base.files import write_atomically

AnyRecord = TypeVar("AnyRecord", bound="Record")


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A frozen, typed value that rooms exchange."""


class Interval(Record, frozen=True):
    """An estimate with its confidence interval."""

    value: float
    low: float
    high: float
    n: int
    level: float = 0.95

    def __str__(self) -> str:
        return f"{self.value:.3g} [{self.low:.3g}, {self.high:.3g}]"


def to_json(record: Record) -> bytes:
    """Return the record as indented JSON; non-finite numbers become null."""
    return msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n"


def save(record: Record, path: Path) -> None:
    """Write the record to a JSON file, atomically."""
    write_atomically(path, lambda file: file.write(to_json(record)))


def load(kind: type[AnyRecord], path: Path) -> AnyRecord:
    """Return the record of type `kind` that a JSON file holds.

    Raises:
        BadInput: if the file is missing or does not hold such a record; the message names the field.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path} must be a readable file; found: {error.strerror}.") from error
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.DecodeError as error:
        raise BadInput(f"{path} must hold a {kind.__name__} as JSON; found: {error}.") from error
