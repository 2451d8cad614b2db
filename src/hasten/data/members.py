"""Files in a folder or in tar archives, listed and read the same way.

A tar whose headers are damaged is, to most readers, a tar that ends early: everything behind the damage vanishes
without a word. Here an archive must end with its end mark and hold nothing but zeros behind it, and a compressed one
is read to the checksum at its end.
"""

import bz2
import gzip
import io
import lzma
import os
import posixpath
import re
import tarfile
import zlib
from collections.abc import Collection, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Self

from hasten.base.errors import BadInput

ARCHIVE_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2")
_MAGIC = {b"\x1f\x8b": gzip.open, b"\xfd7zXZ": lzma.open, b"BZh": bz2.open}
_DAMAGE = (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError)
_DRIVE = re.compile(r"[A-Za-z]:")
_JUNK = frozenset({"__MACOSX", "Thumbs.db", "desktop.ini"})


@dataclass(frozen=True, slots=True)
class Member:
    """One file: of the folder or archive `root`, under the path `name` with forward slashes.

    In an archive its bytes are `size` ones from `offset` of the decompressed archive.
    """

    root: Path
    name: str
    offset: int = 0
    size: int = 0

    def __str__(self) -> str:
        return f"{self.root / self.name}" if self.root.is_dir() else f"{self.root}: {self.name}"


@dataclass(frozen=True)
class Listing:
    """All files and folders of a source, hidden ones left out; archives in their own order, folders sorted."""

    files: tuple[Member, ...]
    folders: tuple[str, ...]


def is_archive(path: Path) -> bool:
    """Return whether the name of a file is that of a tar archive."""
    return path.name.endswith(ARCHIVE_SUFFIXES)


def roots(path: Path) -> tuple[Path, ...]:
    """Return what to read: the folder or archive itself, or the archives in a folder that has no subfolders.

    Raises:
        BadInput: if the path is neither a folder nor a tar archive.
    """
    if path.is_dir():
        entries = sorted(entry for entry in path.iterdir() if not _hidden(entry.name))
        archives = tuple(entry for entry in entries if entry.is_file() and is_archive(entry))
        return archives if archives and not any(entry.is_dir() for entry in entries) else (path,)
    if path.is_file() and is_archive(path):
        return (path,)
    found = "a file of another kind" if path.is_file() else "nothing there"
    raise BadInput(f"{path} must be a folder or a tar archive ({', '.join(ARCHIVE_SUFFIXES)}); found {found}.")


def list_members(path: Path) -> Listing:
    """Return every file and folder of a folder, of an archive, or of all archives in a folder.

    Raises:
        BadInput: as `roots`; if an archive is cut off or damaged, or holds a link, a device, a path that leaves the
            folder it is unpacked in, or the same path twice.
    """
    files: list[Member] = []
    folders: set[str] = set()
    for root in roots(path):
        members, inner = _walk(root) if root.is_dir() else _list_archive(root)
        files += members
        folders.update(inner)
    return Listing(tuple(files), tuple(sorted(folders)))


def read_members(members: Sequence[Member]) -> Iterator[tuple[int, bytes]]:
    """Yield (place in `members`, content) of each member, in the order in which they are stored.

    Raises:
        BadInput: if a file cannot be read, or an archive is damaged or has changed since it was listed.
    """
    places: dict[Path, list[int]] = {}
    for place, member in enumerate(members):
        places.setdefault(member.root, []).append(place)
    for root, wanted in places.items():
        try:
            if root.is_dir():
                yield from ((place, (root / members[place].name).read_bytes()) for place in wanted)
            else:
                yield from _read_archive(root, members, sorted(wanted, key=lambda place: members[place].offset))
        except (*_DAMAGE, OSError) as error:
            raise BadInput(f"{root} must be readable as when it was listed; found: {error}. Start again.") from error


def _walk(root: Path) -> tuple[list[Member], set[str]]:
    members: list[Member] = []
    folders: set[str] = set()
    for parent, inner, files in os.walk(root):
        inner[:] = sorted(name for name in inner if not _hidden(name))
        here = Path(parent).relative_to(root)
        folders.update((here / name).as_posix() for name in inner)
        members += [Member(root, (here / name).as_posix()) for name in sorted(files) if not _hidden(name)]
    return members, folders


def _list_archive(root: Path) -> tuple[list[Member], set[str]]:
    members: dict[str, Member] = {}
    folders: set[str] = set()
    for entry in _entries(root):
        _refuse_unsafe(root, entry)
        name = posixpath.normpath(entry.name)
        if any(map(_hidden, name.split("/"))):
            continue
        if entry.isdir():
            folders.add(name)
            continue
        if name in members:
            raise BadInput(f"{root} must hold each path once; found {name} twice. Pack it again.")
        members[name] = Member(root, name, entry.offset_data, entry.size)
    for folder in {posixpath.dirname(name) for name in members}:
        while folder and folder not in folders:
            folders.add(folder)
            folder = posixpath.dirname(folder)
    return list(members.values()), folders


def _read_archive(root: Path, members: Sequence[Member], wanted: list[int]) -> Iterator[tuple[int, bytes]]:
    with _decompressed(root) as stream:
        for place in wanted:
            member = members[place]
            stream.seek(member.offset)
            content = stream.read(member.size)
            if len(content) != member.size:
                raise EOFError(f"{len(content)} of {member.size} bytes of {member.name}")
            yield place, content


class _CheckedInfo(tarfile.TarInfo):
    """A header that is damaged or lacking is an error, not the end of the archive."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        try:
            return super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if len(buf) == tarfile.BLOCKSIZE and not any(buf):
                raise  # the end mark: a block of zeros
            raise tarfile.ReadError(str(error)) from error


def _entries(root: Path) -> Iterator[tarfile.TarInfo]:
    """Yield each entry of an archive in its order, and check that the archive is whole."""
    last = "its start"
    try:
        with _decompressed(root) as stream, tarfile.open(fileobj=stream, mode="r:", tarinfo=_CheckedInfo) as tar:
            for entry in tar:
                yield entry
                last = entry.name
            while block := stream.read(1 << 20):
                if any(block):
                    raise tarfile.ReadError("data behind the end mark")
    except (*_DAMAGE, OSError) as error:
        raise BadInput(
            f"{root} must be a whole tar archive; found it cut off or damaged behind {last}: {error}. "
            "Get the file again."
        ) from error


@contextmanager
def _decompressed(root: Path) -> Generator[IO[bytes]]:
    with root.open("rb") as file:
        start = file.read(5)
        file.seek(0)
        for magic, opener in _MAGIC.items():
            if start.startswith(magic):
                with opener(file) as stream:
                    yield io.BufferedReader(stream, 1 << 20)  # pyright: ignore[reportArgumentType]
                return
        yield file


def _refuse_unsafe(root: Path, entry: tarfile.TarInfo) -> None:
    path = PurePosixPath(entry.name)
    if path.is_absolute() or ".." in path.parts or "\\" in entry.name or _DRIVE.match(entry.name):
        raise BadInput(
            f"{root} must hold only paths inside its own folder; found {entry.name!r}. Do not use an archive that "
            "writes elsewhere; ask its maker."
        )
    if not (entry.isfile() or entry.isdir()):
        raise BadInput(
            f"{root} must hold only files and folders; found {entry.name!r}, a link or a device. "
            "Pack it again with tar --dereference."
        )


def _hidden(name: str) -> bool:
    return name.startswith(".") or name in _JUNK


def suffix_counts(members: Collection[Member]) -> dict[str, int]:
    """Return how many members have each ending (".jpg"), the most frequent first."""
    counts: dict[str, int] = {}
    for member in members:
        suffix = PurePosixPath(member.name).suffix.lower()
        counts[suffix] = counts.get(suffix, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: -item[1]))
