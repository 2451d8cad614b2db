"""The parts of a checkpoint that several processes write: each what it has of the tensors that are divided over them.

    checkpoints/last.pt                             everything else, and the SHA-256 of each part
    checkpoints/parts/STEP-TOKEN/RANK.safetensors   numbers of one process, and where they begin in each whole tensor

In `last.pt` a tensor without memory (torch's device "meta") stands for each divided one. A part has the format of
torch's `HuggingFaceStorageWriter`. Which numbers a process writes, and which of them another one needs, is found by the
planners of `torch.distributed.checkpoint` (DCP), so that a run goes on in any number of processes and none holds the
whole state. DCP's `save` and `load` would exchange these plans as pickles, and its default files are some: a pickle can
run code. Here each process plans for itself, and nothing is exchanged but checksums.
"""

import json
import math
import re
import secrets
import shutil
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from hasten.base.checksums import digest_of
from hasten.base.errors import BadInput, error_text
from hasten.base.files import write_atomically
from hasten.training.checkpoint_file import Place, placed
from hasten.training.sharding import (
    from_part,
    in_stripes,
    is_divided,
    is_held_by_one,
    is_sharded,
    own_part,
    sharded_as,
    without_stripes,
    writes_here,
)

FOLDER = "parts"
_NAME = re.compile(r"\d{1,18}-[0-9a-f]{8}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_OFFSETS = "DCP_SHARDING_INFO"
"""Where torch's reader of such files looks for the place of each tensor in the whole one."""


@dataclass(frozen=True)
class Part:
    """What one process writes: by name, its numbers on the CPU, and where they begin in each dimension of the whole."""

    numbers: dict[str, Tensor] = field(default_factory=dict[str, Tensor])
    begins: dict[str, list[int]] = field(default_factory=dict[str, list[int]])


@dataclass(frozen=True)
class Parts:
    """The parts of one checkpoint: the name of their folder, and the SHA-256 of each, by the number of its process."""

    name: str
    sha256: tuple[str, ...]

    def files(self, path: Path) -> list[Path]:
        """Return the files, beside the checkpoint `path`."""
        return [parts_folder(path, self.name) / f"{rank}.safetensors" for rank in range(len(self.sha256))]

    def plain(self) -> dict[str, Any]:
        """Return them as plain data for the checkpoint."""
        return {"name": self.name, "sha256": list(self.sha256)}


def parts_of(content: Mapping[str, Any], path: Path) -> Parts | None:
    """Return the parts that the content of a checkpoint names; None where it is whole.

    Raises:
        BadInput: if that is no name of a folder and checksums.
    """
    match content.get("parts"):
        case None:
            return None
        case {"name": str(name), "sha256": [*sums]} if _NAME.fullmatch(name) and all(map(_is_sha256, sums)):
            return Parts(name, tuple(sums))
        case _:
            raise BadInput(f"{path} is not a checkpoint of hasten: what it says of its parts cannot be.")


def _is_sha256(text: object) -> bool:
    return isinstance(text, str) and _SHA256.fullmatch(text) is not None


def parts_folder(path: Path, name: str) -> Path:
    """Return the folder of the parts of a checkpoint."""
    return path.parent / FOLDER / name


def new_name(step: int) -> str:
    """Return a name for the parts of a checkpoint that no other has."""
    return f"{step}-{secrets.token_hex(4)}"


def without_parts(content: Any) -> Any:
    """Return the content of a checkpoint with a tensor without memory for each that is divided over processes."""

    def rest(place: Place, leaf: Any) -> Any:
        if is_divided(leaf):
            return torch.empty(leaf.shape, dtype=leaf.dtype, device="meta")
        return own_part(leaf) if is_sharded(leaf) else leaf

    return placed(content, rest)


def part_here(content: Any) -> Part:
    """Return a copy of what this process is to write of the divided tensors in the content of a checkpoint.

    What several processes have is written by one of them. A collective where a tensor is divided in stripes.
    """
    from torch.distributed.checkpoint import DefaultSavePlanner

    part, planned = Part(), dict[str, Tensor]()
    for name, tensor in divided_in(content).items():
        plain = without_stripes(tensor)
        if not writes_here(plain) or not own_part(plain).numel():
            continue
        if is_held_by_one(plain):
            part.numbers[name], part.begins[name] = _copy(own_part(plain)), [0] * plain.ndim
        else:
            planned[name] = plain
    planner = DefaultSavePlanner(flatten_state_dict=False, flatten_sharded_tensors=False)
    planner.set_up_planner(planned, is_coordinator=False)
    for item in planner.create_local_plan().items:
        name, own = item.index.fqn, planner.resolve_data(item)
        assert isinstance(own, Tensor)
        assert item.tensor_data is not None, "only tensors are planned"
        part.numbers[name], part.begins[name] = _copy(own), list(item.tensor_data.chunk.offsets)
    return part


def divided_in(content: Any) -> dict[str, Any]:
    """Return the tensors in the content of a checkpoint that are divided over processes, by their place."""
    found = dict[str, Any]()

    def collect(place: Place, leaf: Any) -> None:
        if is_divided(leaf):
            found[_name(place)] = leaf

    placed(content, collect)
    return found


def _name(place: Place) -> str:
    return ".".join(map(str, place))


def _copy(own: Tensor) -> Tensor:
    return torch.empty(own.shape, dtype=own.dtype).copy_(own.detach())


def write_part(path: Path, name: str, rank: int, part: Part) -> str:
    """Write the part of a process atomically, and return its SHA-256.

    Raises:
        BadInput: if it cannot be written.
    """
    file = parts_folder(path, name) / f"{rank}.safetensors"
    offsets = json.dumps({name: {"saved_offsets": begins} for name, begins in part.begins.items()})
    sha256 = ""

    def write(opened: BinaryIO) -> None:
        nonlocal sha256
        try:
            save_file(part.numbers, opened.name, metadata={"format": "pt", "DCP_VERSION": "1.0", _OFFSETS: offsets})
        except SafetensorError as error:
            raise OSError(str(error)) from error
        sha256 = digest_of(Path(opened.name))

    write_atomically(file, write)
    return sha256


def damage_of(parts: Parts, path: Path) -> dict[Path, str]:
    """Return what is wrong with each part of a checkpoint that is not what was written."""
    files = parts.files(path)
    with ThreadPoolExecutor() as pool:  # hashing lets other threads run
        found = list(pool.map(_digest_or_none, files))
    return {
        file: f"{file} is damaged: " + (f"its checksum is not that in {path.name}." if sha256 else "it cannot be read.")
        for file, expected, sha256 in zip(files, parts.sha256, found, strict=True)
        if sha256 != expected
    }


def _digest_or_none(file: Path) -> str | None:
    try:
        return digest_of(file)
    except OSError:
        return None


def with_parts(content: Any, parts: Parts, path: Path, pattern: Callable[[Place], Any]) -> Any:
    """Return the content of a checkpoint with what this process needs of its parts in place of tensors without memory.

    Args:
        content: as `without_parts` made it.
        parts: of the checkpoint.
        path: of the checkpoint.
        pattern: what the tensor of a place is to be divided as; the whole one is read where it gives no divided tensor
            of that shape.

    Raises:
        BadInput: if the parts are not what the content says.
    """
    wanted = dict[str, Tensor]()

    def room(place: Place, leaf: Any) -> Any:
        if not isinstance(leaf, Tensor) or not leaf.is_meta:
            return leaf
        return wanted.setdefault(_name(place), _room(pattern(place), leaf))

    filled = placed(content, room)
    try:
        _read(parts_folder(path, parts.name), {name: one for name, one in wanted.items() if own_part(one).numel()})
    except (SafetensorError, OSError, LookupError, ValueError, TypeError, RuntimeError, AssertionError) as error:
        raise BadInput(f"the parts of {path} are not those of this checkpoint: {error_text(error)}") from error
    return placed(filled, lambda place, leaf: sharded_as(pattern(place), leaf) if _name(place) in wanted else leaf)


def _room(pattern: Any, leaf: Tensor) -> Tensor:
    """Return memory for what this process needs of a tensor."""
    if is_divided(pattern) and pattern.shape == leaf.shape and not in_stripes(pattern):
        own = own_part(pattern)
        if not is_held_by_one(pattern) or not own.numel():
            return from_part(pattern, torch.empty_like(own, dtype=leaf.dtype))
    return torch.empty(leaf.shape, dtype=leaf.dtype)


def _read(folder: Path, wanted: dict[str, Tensor]) -> None:
    """Read the numbers of some tensors, which may be divided over processes, from all files of a folder."""
    from torch.distributed.checkpoint import DefaultLoadPlanner
    from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader

    reader = HuggingFaceStorageReader(str(folder))
    metadata = reader.read_metadata()
    planner = DefaultLoadPlanner(flatten_state_dict=False, flatten_sharded_tensors=False)
    planner.set_up_planner(wanted, metadata, is_coordinator=True)
    reader.set_up_storage_reader(metadata, is_coordinator=True)
    plan = planner.create_local_plan()
    found = dict.fromkeys(wanted, 0)
    for item in plan.items:
        found[item.dest_index.fqn] += math.prod(item.lengths)
    if lacking := [name for name, count in found.items() if count != own_part(wanted[name]).numel()]:
        raise ValueError(f"numbers of {lacking[0]} are missing")
    reader.read_data(plan, planner).wait()


def remove_unused(folder: Path, used: Iterable[str]) -> None:
    """Delete parts of checkpoints that are no more, or never came to their end; nothing may be saving meanwhile.

    Args:
        folder: of the checkpoints.
        used: names of the parts that stay.
    """
    parts, kept = folder / FOLDER, set(used)
    for one in parts.iterdir() if parts.is_dir() else ():
        if one.name not in kept and _NAME.fullmatch(one.name) and not one.is_symlink():
            shutil.rmtree(one)
    if parts.is_dir() and not any(parts.iterdir()):
        parts.rmdir()
