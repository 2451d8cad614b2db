"""Records in files that carry the hash of their content, so that damage is noticed."""

import hashlib
from pathlib import Path
from typing import TypeVar

import msgspec

from hasten.base.errors import BadInput
from hasten.base.records.record import Record, load, save

AnyRecord = TypeVar("AnyRecord", bound=Record)


class _Sealed(Record, frozen=True):
    """A record as JSON, and the SHA-256 of that."""

    sha256: str
    content: msgspec.Raw


def save_sealed(record: Record, path: Path) -> None:
    """Write the record to a JSON file with its hash, atomically.

    Raises:
        BadInput: if the file cannot be written.
    """
    content = msgspec.json.encode(record)
    save(_Sealed(sha256=hashlib.sha256(content).hexdigest(), content=msgspec.Raw(content)), path)


def load_sealed(kind: type[AnyRecord], path: Path) -> AnyRecord:
    """Return the record of type `kind` that `save_sealed` wrote.

    Raises:
        BadInput: if the file is missing, holds something else, or was changed since; with its name.
    """
    sealed = load(_Sealed, path)
    content = msgspec.json.format(bytes(sealed.content), indent=-1)  # as it was encoded
    if hashlib.sha256(content).hexdigest() != sealed.sha256:
        raise BadInput(f"{path} must hold what was once written; found: other content (its hash does not fit).")
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.DecodeError as error:
        raise BadInput(f"{path} must hold a {kind.__name__} as JSON; found: {error}.") from error
