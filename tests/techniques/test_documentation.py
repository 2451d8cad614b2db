import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import ClassVar

import pytest

from hasten.base.errors import BadInput
from hasten.base.records.card import Card
from hasten.base.stages import Guarantee, Stage
from hasten.techniques.backward.micro_batch import MicroBatch
from hasten.techniques.documentation import (
    GUARANTEES,
    HEADINGS,
    by_stage,
    index,
    knob_rows,
    page,
    pages,
    sections,
    write_pages,
)
from hasten.techniques.input.batched_gather import BatchedGather
from hasten.techniques.registry import own_techniques
from hasten.techniques.update.one_cycle import OneCycle
from hasten.training.technique import Technique

DOCS = Path(__file__).resolve().parents[2] / "docs" / "techniques"


@pytest.mark.parametrize("kind", own_techniques(), ids=lambda kind: kind.card.name)
def test_every_technique_opens_with_the_headings_and_says_something_under_each(kind: type[Technique]) -> None:
    found = sections(kind)
    assert tuple(found) == HEADINGS
    assert all(found.values()), [heading for heading, text in found.items() if not text]


@pytest.mark.parametrize("kind", own_techniques(), ids=lambda kind: kind.card.name)
def test_every_page_has_the_card_and_every_knob(kind: type[Technique]) -> None:
    text = page(kind)
    assert text.startswith(f"# {kind.card.name}\n")
    for words in (kind.card.stage, GUARANTEES[kind.card.guarantee], *kind.card.treats, *kind.card.needs):
        assert words in text
    for row in knob_rows(kind):
        assert f"| {row.name} | {row.kind} | {row.default} |" in text


def test_the_pages_in_docs_are_up_to_date() -> None:
    wanted = pages()
    stale = [name for name, text in wanted.items() if not (DOCS / name).exists() or (DOCS / name).read_text() != text]
    left = sorted(path.name for path in DOCS.glob("*.md") if path.name not in wanted)
    assert stale == [], "run `make docs`"
    assert left == [], "pages of techniques that are no longer there: delete them"


def test_knobs_are_shown_with_their_default_range_and_meaning() -> None:
    (size,) = knob_rows(MicroBatch)
    assert (size.name, size.kind, size.default, size.allowed) == ("size", "int", "0", "at least 0")
    assert "samples per part" in size.meaning
    share = next(row for row in knob_rows(OneCycle) if row.name == "share")
    assert share.allowed == "above 0, at most 1"
    assert knob_rows(BatchedGather) == []
    assert "It has no knobs." in page(BatchedGather)


def test_the_index_lists_every_technique_once_under_its_stage() -> None:
    text = index(own_techniques())
    for kind in own_techniques():
        assert text.count(f"]({kind.card.name}.md)") == 1
    stages = [line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")]
    assert stages == [stage.value for stage in by_stage(own_techniques())]


def test_a_module_without_the_headings_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("bare_technique", "One line.\n\nWhat it does\n    Nothing.\n")
    monkeypatch.setitem(sys.modules, "bare_technique", module)

    @dataclass(frozen=True)
    class Bare:
        card: ClassVar[Card] = Card(
            name="bare", stage=Stage.INPUT, guarantee=Guarantee.EXACT, idea="nothing", source="nobody"
        )

    Bare.__module__ = "bare_technique"
    with pytest.raises(BadInput, match=r"bare_technique must open with the headings .*found What it does\."):
        sections(Bare)  # type: ignore[arg-type]


def test_the_catalog_is_written_whole(tmp_path: Path) -> None:
    write_pages(tmp_path)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == pages()
