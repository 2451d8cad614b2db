"""What an inspection says, in words that the terminal and the page share."""

from collections.abc import Sequence

from hasten.base.printable import printable
from hasten.base.records.inspection import ColumnSummary, Inspection
from hasten.base.units import nbytes
from hasten.report.wording import whole

FIELD_CHARACTERS = 60


def head_line(inspection: Inspection) -> str:
    """Return what a source holds, in a line."""
    unit = "characters" if inspection.kind == "tokens" else "samples"
    return f"{inspection.kind}: {whole(inspection.num_samples)} {unit}, {nbytes(inspection.nbytes)}"


def named_counts(inspection: Inspection) -> list[tuple[str, str]]:
    """Return the splits and the sizes of samples with their counts, those that there are."""
    partly = inspection.examined < inspection.num_samples
    sizes = f"sizes in a sample of {whole(inspection.examined)}" if partly else "sizes"
    parts = (("splits", inspection.splits), (sizes, inspection.shapes))
    return [(name, ", ".join(f"{key} ({whole(number)})" for key, number in pairs)) for name, pairs in parts if pairs]


def balance(classes: Sequence[tuple[str, int]]) -> str:
    """Return how uneven the classes are, as the most frequent against the rarest."""
    counts = [number for _, number in classes]
    if min(counts) == max(counts):
        return "all of one size"
    rarest = min(counts)
    return f"the largest has {max(counts) / rarest:.3g} times the smallest" if rarest else "some are empty"


def range_words(column: ColumnSummary) -> str:
    """Return the range of a column's numbers, or its most frequent values."""
    if column.low is not None and column.high is not None:
        mean = f", mean {_number(column.mean)}" if column.mean is not None else ""
        std = f", std {_number(column.std)}" if column.std is not None else ""
        return f"{_number(column.low)} to {_number(column.high)}{mean}{std}"
    values = ", ".join(f"{cut(value)} ({whole(number)})" for value, number in column.top)
    return f"{whole(column.distinct)} values: {values}" if column.distinct is not None else values


def cut(text: str) -> str:
    """Return the text, shortened where it is long."""
    text = printable(text)
    return text if len(text) <= FIELD_CHARACTERS else f"{text[: FIELD_CHARACTERS - 3]}..."


def _number(value: float) -> str:
    """Return four digits, or all in front of the point."""
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e12 else f"{value:.4g}"
