"""The measured peaks of a machine as rows of a table: the fastest of each kind of work."""

from hasten.base.records.machine import Machine, Peak
from hasten.base.records.record import Record
from hasten.base.units import count, nbytes, seconds
from hasten.report.wording import plural

KINDS = {
    "gemm": "matmul",
    "conv": "convolution",
    "memory": "memory",
    "disk": "disk",
    "copy": "copy to the device",
    "launch": "kernel launch",
    "threads": "threads",
}
MAIN_KINDS = frozenset({"gemm", "memory", "disk", "copy", "launch"})
"""What a short list shows."""


class PeakRow(Record, frozen=True):
    """One line: what was done, how, how fast, how sure, on what size."""

    kind: str
    how: str
    rate: str
    spread: str
    size: str


def peak_rows(machine: Machine, kinds: frozenset[str] | None = None) -> list[PeakRow]:
    """Return a row for the fastest stable peak of each kind, format, back end and variant.

    Where no size of them was stable the row says so and has no number.

    Args:
        machine: with its peaks measured.
        kinds: those wanted; None for all.
    """
    families: dict[tuple[str, ...], list[Peak]] = {}
    for peak in machine.peaks:
        if kinds is None or peak.kind in kinds:
            size = str(peak.size[0]) if peak.kind == "threads" else ""
            key = (peak.kind, peak.device, peak.format, peak.backend, peak.variant, size)
            families.setdefault(key, []).append(peak)
    order = list(KINDS)
    ranked = sorted(families.values(), key=lambda family: order.index(family[0].kind))
    return [_row(family) for family in ranked]


def _row(family: list[Peak]) -> PeakRow:
    stable = [peak for peak in family if peak.stable]
    first = family[0]
    words = (first.format, first.backend, first.variant, "" if first.device == "cpu" else first.device)
    how = " ".join(word for word in words if word)
    kind = KINDS[first.kind]
    if not stable:
        return PeakRow(kind=kind, how=how, rate="unstable", spread="", size="")
    fastest = (min if first.kind == "launch" else max)(stable, key=lambda peak: peak.rate)
    spread = f"±{100 * fastest.spread:.0f} %"
    return PeakRow(kind=kind, how=how, rate=_rate(fastest), spread=spread, size=_size(fastest))


def _rate(peak: Peak) -> str:
    if peak.kind == "launch":
        return seconds(peak.rate)
    if peak.kind in {"gemm", "conv", "threads"}:
        return count(peak.rate, "OP/s" if peak.format == "int8" else "FLOP/s")
    return count(peak.rate, "B/s")


def _size(peak: Peak) -> str:
    if peak.kind == "launch":
        return ""
    if peak.kind in {"memory", "disk", "copy"}:
        return nbytes(peak.size[0])
    if peak.kind == "threads":
        return plural(peak.size[0], "thread")
    return "x".join(str(number) for number in peak.size)
