"""What the files of a folder or archive hold: by their endings, or by their content where those say nothing."""

from collections import Counter
from collections.abc import Collection
from typing import Literal

import numpy as np

from hasten.data.sources.archive import Listing, read_members, suffix_counts
from hasten.data.sources.pictures import IMAGE_SUFFIXES

TEXT_SUFFIXES = frozenset({".txt"})
_IMAGE_STARTS = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"RIFF")
_SAMPLE = 16  # files that are looked at
_MOST = 0.8
_START = 4096  # bytes of each
_TEXT_CONTROLS = b"\t\n\v\f\r\x1b"

Kind = Literal["images", "texts"]


def wanted_suffixes(listing: Listing, kind: Kind) -> Collection[str] | None:
    """Return the endings of the files of a kind, or None where most files have no such ending but are of that kind."""
    known = IMAGE_SUFFIXES if kind == "images" else TEXT_SUFFIXES
    return None if _kind_by_content(listing) == kind else known


def kind_of(listing: Listing) -> Kind:
    """Return whether the files are images or texts: whichever are more, images where there are none."""
    by_content = _kind_by_content(listing)
    if by_content is not None:
        return by_content
    return "texts" if _named(listing, TEXT_SUFFIXES) > _named(listing, IMAGE_SUFFIXES) else "images"


def _named(listing: Listing, suffixes: Collection[str]) -> int:
    counts = suffix_counts(listing.files)
    return sum(counts.get(suffix, 0) for suffix in suffixes)


def _kind_by_content(listing: Listing) -> Kind | None:
    """Return what a sample of the files without a known ending hold, if those are the most and mostly of one kind."""
    known = IMAGE_SUFFIXES | TEXT_SUFFIXES
    others = [member for member in listing.files if not member.name.lower().endswith(tuple(known))]
    if 2 * len(others) <= len(listing.files):
        return None
    places = np.unique(np.linspace(0, len(others) - 1, _SAMPLE).astype(int)).tolist()
    sample = read_members([others[place] for place in places])
    kinds: Counter[Kind | None] = Counter(_kind_of_content(content[:_START]) for _, content in sample)
    kind, count = kinds.most_common(1)[0]
    return kind if count >= _MOST * len(places) else None


def _kind_of_content(start: bytes) -> Kind | None:
    if start.startswith(_IMAGE_STARTS):
        return "images"
    controls = sum(byte < 32 and byte not in _TEXT_CONTROLS for byte in start)
    return "texts" if start and not controls else None
