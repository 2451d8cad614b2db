"""Files in a folder or in archives, listed and read the same way."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from hasten.base.errors import BadInput
from hasten.base.printable import printable_name
from hasten.data.sources.folder import Obstacle, contents_of, hidden
from hasten.data.sources.tar_zip import ARCHIVE_DAMAGE, ARCHIVE_SUFFIXES, Entry, is_archive, list_archive, read_archive


@dataclass(frozen=True, slots=True)
class Member:
    """One file: of the folder or archive `root`, under the path `name` with forward slashes.

    In an archive its content is that of the entry with this `offset` and `size`.
    """

    root: Path
    name: str
    offset: int = 0
    size: int = 0

    def __str__(self) -> str:
        return printable_name(self.root / self.name if self.root.is_dir() else f"{self.root}: {self.name}")


@dataclass(frozen=True)
class Listing:
    """All files and folders of a source, hidden ones left out; archives in their own order, folders sorted.

    `obstacles` are the entries of folders that are not read, such as broken links and FIFOs.
    """

    files: tuple[Member, ...]
    folders: tuple[str, ...]
    obstacles: tuple[tuple[Path, Obstacle], ...] = ()


def roots(path: Path) -> tuple[Path, ...]:
    """Return what to read: the folder or archive itself, or the archives in a folder that has no subfolders.

    Raises:
        BadInput: if the path is neither a folder nor an archive.
    """
    if path.is_dir():
        entries = sorted(entry for entry in path.iterdir() if not hidden(entry.name))
        archives = tuple(entry for entry in entries if entry.is_file() and is_archive(entry))
        return archives if archives and not any(entry.is_dir() for entry in entries) else (path,)
    if path.is_file() and is_archive(path):
        return (path,)
    found = "a file of another kind" if path.is_file() else "nothing there"
    raise BadInput(f"{path} must be a folder or an archive ({', '.join(ARCHIVE_SUFFIXES)}); found {found}.")


def list_members(path: Path) -> Listing:
    """Return every file and folder of a folder, of an archive, or of all archives in a folder.

    Raises:
        BadInput: as `roots`, `contents_of` and `list_archive`.
    """
    files: list[Member] = []
    folders: set[str] = set()
    obstacles: list[tuple[Path, Obstacle]] = []
    for root in roots(path):
        if root.is_dir():
            found = contents_of(root)
            files += [Member(root, name) for name in found.files]
            folders.update(found.folders)
            obstacles += [(root, obstacle) for obstacle in found.obstacles]
        else:
            entries, inner = list_archive(root)
            files += [Member(root, entry.name, entry.offset, entry.size) for entry in entries]
            folders.update(inner)
    return Listing(tuple(files), tuple(sorted(folders)), tuple(obstacles))


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
        except (*ARCHIVE_DAMAGE, OSError) as error:
            raise BadInput(f"{root} must be readable as when it was listed; found: {error}. Start again.") from error


def _read_archive(root: Path, members: Sequence[Member], wanted: list[int]) -> Iterator[tuple[int, bytes]]:
    entries = (Entry(members[place].name, members[place].offset, members[place].size) for place in wanted)
    return zip(wanted, read_archive(root, entries), strict=True)


def suffix_counts(members: Collection[Member]) -> dict[str, int]:
    """Return how many members have each ending (".jpg"), the most frequent first."""
    counts: dict[str, int] = {}
    for member in members:
        suffix = PurePosixPath(member.name).suffix.lower()
        counts[suffix] = counts.get(suffix, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: -item[1]))
