"""What a source of data holds, and what stands out in it."""

from hasten.base.records.record import Record


class ColumnSummary(Record, frozen=True):
    """One column of a table, one array, or one quantity of each sample (the length of a text, a color).

    `kind` is "number", "category" or "class"; what a kind does not have is None or empty.
    """

    name: str
    kind: str
    missing: int = 0
    distinct: int | None = None
    low: float | None = None
    mean: float | None = None
    std: float | None = None
    high: float | None = None
    top: tuple[tuple[str, int], ...] = ()  # the most frequent values with their counts


class Picture(Record, frozen=True):
    """An image to show: the bytes of its file."""

    label: str
    media_type: str  # "image/png", "image/jpeg"
    content: bytes


class Inspection(Record, frozen=True):
    """The summary of one source."""

    source: str
    kind: str  # "images", "texts", "table", "tokens", "arrays"
    num_samples: int
    examined: int  # how many samples the ranges come from; fewer than all where that would take long
    nbytes: int  # as stored in the source
    duplicates: int  # samples that equal an earlier one, byte for byte
    classes: tuple[tuple[str, int], ...] = ()  # with their counts, in the order of their labels
    splits: tuple[tuple[str, int], ...] = ()
    shapes: tuple[tuple[str, int], ...] = ()  # "150 x 150 x 3", the most frequent first
    columns: tuple[ColumnSummary, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()  # some samples as text, fields in the order of `columns`
    pictures: tuple[Picture, ...] = ()
    problems: tuple[str, ...] = ()  # what stands out, each in one sentence
