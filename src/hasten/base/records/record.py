"""The base of every record and its way to a JSON file and back; the interval that most records hold."""

from collections.abc import Callable
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


def save_exact(record: Record, path: Path) -> None:
    """Write the record to a MessagePack file, atomically; unlike JSON, that keeps numbers that are not finite."""
    write_atomically(path, lambda file: file.write(msgspec.msgpack.encode(record)))


def load_exact(kind: type[AnyRecord], path: Path) -> AnyRecord:
    """Return the record of type `kind` that `save_exact` wrote.

    Raises:
        BadInput: if the file is missing or does not hold such a record; the message names the field.
    """
    return _loaded(kind, path, msgspec.msgpack.decode, "MessagePack")


def load(kind: type[AnyRecord], path: Path) -> AnyRecord:
    """Return the record of type `kind` that a JSON file holds.

    Raises:
        BadInput: if the file is missing or does not hold such a record; the message names the field.
    """
    return _loaded(kind, path, msgspec.json.decode, "JSON")


def _loaded(kind: type[AnyRecord], path: Path, decode: Callable[..., AnyRecord], form: str) -> AnyRecord:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path} must be a readable file; found: {error.strerror}.") from error
    try:
        return decode(content, type=kind)
    except msgspec.DecodeError as error:
        raise BadInput(f"{path} must hold a {kind.__name__} as {form}; found: {error}.") from error
