"""A report file with absurd numbers is one message or a page, never a raw error."""

import io
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from hasten.base.errors import BadInput
from hasten.base.records.record import to_json
from hasten.report.contents import contents
from hasten.report.evidence_file import read_evidence
from hasten.report.markdown import text
from hasten.report.terminal import Screen

from sample_evidence import make_whole_evidence, rendered

EVIDENCE: Any = json.loads(to_json(make_whole_evidence()))
ABSURD = st.sampled_from([0, -1, 1, 0.0, -2.5, 1e-320, 1e-9, 1e29, 1e300, 10**25, 10**400])


def numbers(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of all numbers."""
    if isinstance(value, dict):
        return [found for key, inner in value.items() for found in numbers(inner, (*path, key))]
    if isinstance(value, list):
        return [found for index, inner in enumerate(value) for found in numbers(inner, (*path, index))]
    return [path] if isinstance(value, int | float) and not isinstance(value, bool) else []


NUMBERS = numbers(EVIDENCE)


def changed(changes: dict[tuple[Any, ...], Any]) -> Any:
    copy = json.loads(json.dumps(EVIDENCE))
    for path, value in changes.items():
        inner = copy
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = value
    return copy


@settings(max_examples=30, deadline=None)
@given(changes=st.dictionaries(st.sampled_from(NUMBERS), ABSURD, min_size=1, max_size=40))
def test_a_report_file_with_absurd_numbers_is_one_message_or_a_page(changes: dict[tuple[Any, ...], Any]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "evidence.json"
        path.write_text(json.dumps(changed(changes)))
        try:
            evidence = read_evidence(path)
        except BadInput:
            return
    assert "</html>" in rendered(evidence)
    assert text(contents(evidence))
    screen = Screen(Console(file=io.StringIO()))
    screen.show(evidence)
    screen.show(evidence.profile)


@pytest.mark.parametrize(
    "place", [("quality",), ("profile", "growth", 0, "exponent"), ("profile", "memory", "growth_per_step")]
)
def test_an_interval_of_a_difference_may_reach_below_zero(place: tuple[Any, ...], tmp_path: Path) -> None:
    path = tmp_path / "evidence.json"
    found = {"value": 0.5, "low": -2.0, "high": 3.0, "n": 3, "level": 0.95}
    path.write_text(json.dumps(changed({place: found})))
    assert "</html>" in rendered(read_evidence(path))


@pytest.mark.parametrize("value", [0, -3.0, 1e300, 10**400])
def test_the_message_names_the_number_that_cannot_be(value: float, tmp_path: Path) -> None:
    path = tmp_path / "evidence.json"
    path.write_text(json.dumps(changed({("profile", "roofline", "peak_flops"): value})))
    with pytest.raises(BadInput, match=r"evidence\.json"):
        read_evidence(path)
