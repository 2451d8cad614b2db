"""The last line of `hasten diagnose` is a command, also where a remedy cures."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
import typer

from hasten.base.records.finding import Severity
from hasten.base.records.fix import Outcome
from hasten.cli import diagnose


def test_the_line_that_cures_stands_before_the_next_command() -> None:
    said: list[str] = []
    screen = cast("Any", SimpleNamespace(say=said.append, next=lambda command: said.append(f"next: {command}")))
    cure = SimpleNamespace(outcome=Outcome.CURES, line="return self.last(x)")
    finding = SimpleNamespace(id="E1", symptom="softmax_twice", severity=Severity.CRITICAL)
    found = cast("Any", SimpleNamespace(findings=(finding,), fix=SimpleNamespace(tried=(cure,))))
    with pytest.raises(typer.Exit):
        diagnose._say(found, screen, (None, None), healthy="hasten profile train.py")  # pyright: ignore[reportPrivateUsage]
    assert said == ["to cure it, write: return self.last(x)", "next: hasten explain E1"]
