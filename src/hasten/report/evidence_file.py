"""The evidence of a run as a file, with a checksum beside it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from hasten.base.checksums import check_checksum, write_with_checksum
from hasten.base.errors import BadInput
from hasten.base.records.evidence import Evidence
from hasten.base.records.record import load, to_json

_LARGEST = 1e30
"""No time, rate, size or loss that can be drawn is larger."""
_POSITIVE = frozenset({"rate", "peak_flops", "peak_bandwidth", "samples_per_s"})
_NOT_NEGATIVE = frozenset({"elapsed_s", "time_to_target_s", "measured_s", "seconds", "share", "low", "n", "peak_bytes"})
_SIGNED = (".quality.", ".exponent.", ".growth_per_step.")
"""Intervals of differences, which may reach below 0."""


def write_evidence(evidence: Evidence, path: Path) -> None:
    """Write the evidence to a JSON file, atomically."""
    write_with_checksum(path, lambda file: file.write(to_json(evidence)))


def read_evidence(path: Path) -> Evidence:
    """Return the evidence in a file.

    Raises:
        BadInput: if the file is missing, damaged, or no evidence, or holds a number that no measurement gives.
    """
    check_checksum(path)
    evidence = load(Evidence, path)
    for place, value in _numbers(msgspec.to_builtins(evidence), ""):
        name = place.rpartition(".")[2]
        not_negative = _NOT_NEGATIVE - {"low"} if any(one in place for one in _SIGNED) else _NOT_NEGATIVE
        if abs(value) > _LARGEST or (name in _POSITIVE and value <= 0) or (name in not_negative and value < 0):
            raise BadInput(f"{path}: impossible number at {place.lstrip('.')}. Run `hasten run` again.")
    return evidence


def _numbers(value: Any, place: str) -> Iterator[tuple[str, float]]:
    """Yield every number with its place: "machine.peaks[3].rate"."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _numbers(inner, f"{place}.{key}")
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _numbers(inner, f"{place}[{index}]")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield place, value
