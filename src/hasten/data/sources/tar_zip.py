"""Tar and zip archives, listed and read without unpacking them.

A tar whose headers are damaged is, to most readers, a tar that ends early: everything behind the damage vanishes
without a word. Here an archive must end with its end mark and hold nothing but zeros behind it, and a compressed one
is read to the checksum at its end. What would be unsafe to unpack is refused by the filter of `tarfile` (PEP 706).
"""

import posixpath
import re
import stat
import struct
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from hasten.base.errors import BadInput
from hasten.base.printable import printable_name
from hasten.data.sources.decompression import DAMAGE, decompressed, largest, too_large
from hasten.data.sources.folder import hidden

TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2", ".tbz2", ".tbz")
ARCHIVE_SUFFIXES = (*TAR_SUFFIXES, ".zip")
ARCHIVE_DAMAGE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    NotImplementedError,
    *(ValueError, IndexError, OverflowError, struct.error),  # of `zipfile` itself, for names and extra fields
    *DAMAGE,
)
_DRIVE = re.compile(r"[A-Za-z]:")
_LONGEST_NAME = 1 << 20  # bytes of a header that holds a long name or attributes
_HEADERS = (
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of an archive, of `size` bytes.

    They start at `offset` of a decompressed tar; of a zip, `offset` is the place in its list of files.
    """

    name: str
    offset: int
    size: int


def is_archive(path: Path) -> bool:
    """Return whether the name of a file is that of an archive."""
    return path.name.lower().endswith(ARCHIVE_SUFFIXES)


def list_archive(path: Path) -> tuple[tuple[Entry, ...], frozenset[str]]:
    """Return the files of an archive in its own order, hidden ones left out, and its folders.

    Raises:
        BadInput: if it is cut off or damaged, decompresses to too much, or holds a link, a device, a sparse file, a
            path that leaves the folder it is unpacked in, or the same path twice.
    """
    files: dict[str, Entry] = {}
    folders: set[str] = set()
    for name, is_folder, offset, size in _zip_entries(path) if _is_zip(path) else _tar_entries(path):
        if any(map(hidden, name.split("/"))):
            continue
        if is_folder:
            folders.add(name)
            continue
        if name in files:
            raise BadInput(f"{path} must hold each path once; found {printable_name(name)} twice. Pack it again.")
        files[name] = Entry(name, offset, size)
    for folder in {posixpath.dirname(name) for name in files}:
        while folder and folder not in folders:
            folders.add(folder)
            folder = posixpath.dirname(folder)
    return tuple(files.values()), frozenset(folders)


def read_archive(path: Path, entries: Iterable[Entry]) -> Iterator[bytes]:
    """Yield the content of each entry; of a tar they must be in the order of their offsets.

    Raises:
        EOFError, OSError, or one of `ARCHIVE_DAMAGE`: if the archive is damaged or has changed since it was listed.
    """
    if _is_zip(path):
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
            for entry in entries:
                content = archive.read(infos[entry.offset]) if entry.offset < len(infos) else b""
                yield _whole(content, entry)
        return
    with decompressed(path) as stream:
        for entry in entries:
            stream.seek(entry.offset)
            yield _whole(stream.read(entry.size), entry)


def _whole(content: bytes, entry: Entry) -> bytes:
    if len(content) != entry.size:
        raise EOFError(f"{len(content)} of {entry.size} bytes of {printable_name(entry.name)}")
    return content


def _is_zip(path: Path) -> bool:
    return path.name.lower().endswith(".zip")


_Listed = tuple[str, bool, int, int]  # name, is it a folder, offset, size


def _zip_entries(path: Path) -> Iterator[_Listed]:
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
            size, total = path.stat().st_size, sum(info.file_size for info in infos)
            if total > largest(size):
                raise too_large(path, largest(size), size)
            for place, info in enumerate(infos):
                mode = info.external_attr >> 16
                _refuse_unsafe(path, _as_tar(info.filename, is_link=stat.S_ISLNK(mode)))
                if info.flag_bits & 1:
                    raise BadInput(
                        f"{path} holds {printable_name(info.filename)!r} encrypted. Unpack it with its password."
                    )
                yield posixpath.normpath(info.filename), info.is_dir(), place, info.file_size
    except (*ARCHIVE_DAMAGE, OSError) as error:
        raise BadInput(f"{path} must be a whole zip archive; found it damaged: {error}. Get the file again.") from error


def _as_tar(name: str, *, is_link: bool) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type = tarfile.SYMTYPE if is_link else tarfile.REGTYPE
    return entry


def _tar_entries(path: Path) -> Iterator[_Listed]:
    """Yield each entry of a tar in its order, and check that the archive is whole."""
    last = "its start"
    try:
        with decompressed(path) as stream, tarfile.open(fileobj=stream, mode="r:", tarinfo=_CheckedInfo) as tar:
            for entry in tar:
                _refuse_unsafe(path, entry)
                yield posixpath.normpath(entry.name), entry.isdir(), entry.offset_data, entry.size
                last = printable_name(entry.name)
            while block := stream.read(1 << 20):
                if any(block):
                    raise tarfile.ReadError("data behind the end mark")
    except (*ARCHIVE_DAMAGE, OSError) as error:
        raise BadInput(
            f"{path} must be a whole tar archive; found it cut off or damaged behind {last}: {error}. "
            "Get the file again."
        ) from error


class _CheckedInfo(tarfile.TarInfo):
    """A header that is damaged or lacking is an error, not the end of the archive."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        try:
            found = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if len(buf) == tarfile.BLOCKSIZE and not any(buf):
                raise  # the end mark: a block of zeros
            raise tarfile.ReadError(str(error)) from error
        if found.type in _HEADERS and found.size > _LONGEST_NAME:
            raise tarfile.ReadError(f"a name of {found.size} bytes")
        return found


def _refuse_unsafe(path: Path, entry: tarfile.TarInfo) -> None:
    name = printable_name(entry.name)
    try:
        # The archive stands for the folder that it would be unpacked in: no file lies below it.
        safe = tarfile.data_filter(entry, str(path))
    except tarfile.SpecialFileError:
        safe = entry  # a device, which is told with the links below
    except (tarfile.AbsoluteLinkError, tarfile.LinkOutsideDestinationError):
        safe = entry
    except tarfile.FilterError:
        safe = None
    if safe is None or safe.name != entry.name or "\\" in name or _DRIVE.match(name):
        raise BadInput(
            f"{path} must hold only paths inside its own folder; found {name!r}. Do not use an archive that "
            "writes elsewhere; ask its maker."
        )
    if entry.issparse() or not (entry.isfile() or entry.isdir()):
        raise BadInput(
            f"{path} must hold only files and folders; found {name!r}, a link, a device or a sparse file. "
            "Pack it again with tar --dereference --hard-dereference, without --sparse."
        )
