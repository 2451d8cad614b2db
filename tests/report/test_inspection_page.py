"""The page of an inspection shows what it holds, escaped, and needs nothing else."""

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from hasten.base.records.inspection import ColumnSummary, Inspection
from hasten.data.inspect.inspect import inspect
from hasten.data.sources.source import read_source
from hasten.report.inspection_page import render_inspection


class Balanced(HTMLParser):
    """Fails where a tag is closed that was not open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def checked(page: str) -> str:
    parser = Balanced()
    parser.feed(page)
    assert parser.open == []
    assert not re.search(r"(src|href)=[\"'](?!data:)", page)
    assert "<script" not in page
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.split("</style>")[1]))


def test_a_table_with_its_columns_and_rows(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("size,color\n" + "1.5,<b>red</b>\n2.5,blue\n" * 20 + ",blue\n")
    page = render_inspection(inspect(read_source(path)))
    words = checked(page)
    assert "table: 41 samples" in words
    assert "size number 1 1.5 to 2.5" in words
    assert "&lt;b&gt;red&lt;/b&gt;" in page
    assert "<b>" not in page
    assert re.search(r"Rows size color 1\.5", words)
    assert re.search(r"blue 21 51", words)


@pytest.mark.parametrize("kind", ["texts", "tokens", "arrays"])
def test_other_kinds(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "source"
    if kind == "texts":
        for place in range(6):
            file = path / ("a", "b")[place % 2] / f"{place}.txt"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"text number {place}")
    elif kind == "tokens":
        path = tmp_path / "t.txt"
        path.write_text("to be or not to be\n" * 9)
    else:
        path = tmp_path / "a.npz"
        np.savez(path, x=np.ones((4, 2), np.float32))
    words = checked(render_inspection(inspect(read_source(path))))
    assert f" {kind}: " in words
    assert {"texts": "text number 0", "tokens": "to be or not", "arrays": "x number"}[kind] in words


def test_more_classes_and_columns_than_fit_are_counted() -> None:
    many = Inspection(
        source="s",
        kind="table",
        num_samples=200,
        examined=150,
        nbytes=9,
        duplicates=0,
        classes=tuple((f"class {place}", 1) for place in range(130)),
        columns=tuple(ColumnSummary(name=f"c{place}", kind="number", distinct=1) for place in range(101)),
    )
    words = checked(render_inspection(many))
    assert "31 more classes and columns are not shown." in words
    assert "from 150 samples, evenly spread" in words
