"""The file of a checkpoint: plain data, and a checksum over every byte of them.

    torch.save archive | SHA-256 of it, 32 bytes | MARK, 16 bytes

`torch.load` does not compare the CRC-32 of its archive, so a flipped bit in a weight would load without a word.
"""

import copy
import hashlib
import io
import os
import pickle
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias, cast

import numpy as np
import torch
from torch import Tensor

from hasten.base.errors import BadInput
from hasten.base.files import write_atomically

MARK = b"\0hasten sha256\r\n\0"
_FOOTER = hashlib.sha256().digest_size + len(MARK)
_READ_AT_ONCE = 2**22


Place: TypeAlias = tuple[Any, ...]
"""Where a value is in nested containers: the keys and numbers that lead to it."""


class Damaged(BadInput):
    """A checkpoint whose content is not what was written."""


def write_checkpoint(path: Path, content: dict[str, Any], *, previous: Path | None = None) -> None:
    """Write a checkpoint atomically; the one that is there becomes `previous` once the new one is on disk.

    Raises:
        BadInput: if it cannot be written, or part of it could not be read back; the existing ones are unchanged.
    """
    content = checked(content)

    def write(file: BinaryIO) -> None:
        hashed = _Hashed(file)
        try:
            torch.save(content, hashed)  # type: ignore[arg-type]  (all that it needs is `write`)
        except RuntimeError as error:
            # torch finishes its archive although the disk is full, and reports only that this failed, too.
            raise (error.__context__ if isinstance(error.__context__, OSError) else error) from None
        file.write(hashed.digest() + MARK)

    def keep_previous() -> None:
        if previous is not None and path.exists():
            path.replace(previous)

    write_atomically(path, write, before_rename=keep_previous)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Return the content of a checkpoint whose checksum is right.

    Raises:
        Damaged: if a single bit differs from what was written.
        BadInput: if it cannot be read, or is no checkpoint of hasten.
    """
    try:
        with path.open("rb") as file:
            _verify(path, file)
            file.seek(0)
            content = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise BadInput(f"no checkpoint at {path}. Pass the folder of a run that has saved one.") from error
    except OSError as error:
        raise _unreadable(path, error) from error
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError) as error:
        raise BadInput(
            f"{path} is not a checkpoint of this version of hasten and torch {torch.__version__}."
        ) from error
    if not isinstance(content, dict):
        raise BadInput(f"{path} is not a checkpoint of hasten: it holds a {type(content).__name__}.")
    return cast(dict[str, Any], content)


def check_checkpoint(path: Path) -> None:
    """Compare the checksum of a checkpoint with its content.

    Raises:
        Damaged: if a single bit differs from what was written.
        BadInput: if it cannot be read.
    """
    try:
        with path.open("rb") as file:
            _verify(path, file)
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> BadInput:
    return BadInput(f"cannot read the checkpoint {path}: {error.strerror or error}.")


def checked(content: Any) -> Any:
    """Return the content of a checkpoint with numpy's scalars as Python's.

    Raises:
        BadInput: if part of it is no plain data, which would not be read back: a function, an object of a class.
    """
    content = _plain(content)
    if (found := _unloadable(content)) is not None:
        raise BadInput(
            f"this training cannot be saved: {found} is no plain data. Use another optimizer if it belongs to that, "
            "or train without a run folder (`runs=None` in Python)."
        )
    return content


def copied(content: Any) -> Any:
    """Return a copy of checked content on the CPU; tensors of the same memory are one in the copy, too.

    Those without memory stay as they are.
    """
    memory: dict[tuple[Any, ...], Tensor] = {}

    def copy_of(_: Place, value: Any) -> Any:
        if not isinstance(value, Tensor):
            return copy.deepcopy(value)
        if value.is_meta:
            return value
        place = (value.device, value.data_ptr(), value.dtype, value.shape, value.stride())
        if place not in memory:
            memory[place] = value.detach().to("cpu", copy=True)
        return memory[place]

    return placed(content, copy_of)


def _plain(value: Any) -> Any:
    return placed(value, lambda place, leaf: leaf.item() if isinstance(leaf, np.generic) else leaf)


def placed(value: Any, change: Callable[[Place, Any], Any], place: Place = ()) -> Any:
    """Return the same containers with other leaves: what `change` returns for the place of each and the leaf."""
    if isinstance(value, dict):
        items = cast(dict[Any, Any], copy.copy(value))  # a copy, for the OrderedDict of a model has attributes
        for key, item in value.items():
            items[key] = placed(item, change, (*place, key))
        return items
    if type(value) in (list, tuple):
        return type(value)(placed(item, change, (*place, number)) for number, item in enumerate(value))
    return change(place, value)


def _unloadable(value: Any) -> str | None:
    """Return what in a value does not load as plain data ("state.optimizer.state.0.hook, a function"), or None."""
    if isinstance(value, Tensor) or type(value) in (bool, int, float, str, bytes, type(None)):
        return None
    if isinstance(value, dict) or type(value) in (list, tuple):
        items: Any = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            if (found := _unloadable(item)) is not None:
                return f"{key}{found}" if found.startswith(",") else f"{key}.{found}"
        if type(value) in (dict, OrderedDict, list, tuple):
            return None
        value = type(value)()  # the container itself
    try:
        file = io.BytesIO()
        torch.save(value, file)
        file.seek(0)
        torch.load(file, weights_only=True)
    except (pickle.PickleError, AttributeError, TypeError, RuntimeError):
        return f", a {type(value).__name__},"
    return None


class _Hashed:
    """A file to write to that hashes what it passes on."""

    def __init__(self, file: BinaryIO) -> None:
        self._write: Callable[[Any], int] = file.write
        self._hash = hashlib.sha256()
        self.flush = file.flush

    def write(self, data: Any) -> int:
        self._hash.update(data)
        return self._write(data)

    def digest(self) -> bytes:
        return self._hash.digest()


def _verify(path: Path, file: BinaryIO) -> None:
    """Compare the checksum at the end of the file with that of its content."""
    left = file.seek(0, os.SEEK_END) - _FOOTER
    if left < 0:
        raise Damaged(f"{path} is damaged or not a checkpoint of hasten: it has only {left + _FOOTER} bytes.")
    file.seek(left)
    footer = file.read(_FOOTER)
    if not footer.endswith(MARK):
        raise Damaged(
            f"{path} is damaged, cut off, or not a checkpoint of this version of hasten: no checksum at its end."
        )
    file.seek(0)
    found = hashlib.sha256()
    while left:
        piece = file.read(min(left, _READ_AT_ONCE))
        found.update(piece)
        left -= len(piece)
    if footer != found.digest() + MARK:
        raise Damaged(f"{path} is damaged: its content does not match its checksum.")
