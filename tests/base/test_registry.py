import sys
import warnings
from pathlib import Path

import pytest

from hasten.base.errors import BadInput, HastenWarning
from hasten.base.registry import Registry
from hasten.cli.main import main
from hasten.diagnosis.registry import HEALTH_RULES, RULES
from hasten.tasks.registry import TASKS
from hasten.techniques.registry import techniques

from forked import Forked


class Package:
    name = "other-package"


class Point:
    """An entry point, as importlib.metadata gives it."""

    dist = Package()

    def __init__(self, name: str, offered: object) -> None:
        self.name, self.value, self._offered = name, f"other_package:{name}", offered

    def load(self) -> object:
        if isinstance(self._offered, Exception):
            raise self._offered
        return self._offered


def adapt(name: str, offered: object) -> object:
    if not callable(offered):
        raise TypeError("it must be callable")
    return offered


def registry(monkeypatch: pytest.MonkeyPatch, *points: Point) -> Registry[object]:
    monkeypatch.setattr("hasten.base.registry.entry_points", lambda group: list(points) if group == "a.group" else [])
    return Registry("thing", group="a.group", built_in={"first": "math:sqrt", "second": "os:no_such_name"}, adapt=adapt)


@pytest.mark.parametrize(
    "error", [ImportError("no module named x"), SyntaxError("invalid"), RuntimeError("at import"), AttributeError("x")]
)
def test_a_broken_entry_point_is_named_once_and_left_out(monkeypatch: pytest.MonkeyPatch, error: Exception):
    things = registry(monkeypatch, Point("broken", error), Point("whole", len))
    with pytest.warns(HastenWarning, match=f"'broken' of the package other-package .*{error}") as said:
        assert list(things) == ["first", "second", "whole"]
    assert len(said) == 1
    assert things["whole"] is len
    assert len(things) == 3


def test_an_offer_that_lacks_something_is_left_out_with_what_it_lacks(monkeypatch: pytest.MonkeyPatch):
    things = registry(monkeypatch, Point("number", 3))
    with pytest.warns(HastenWarning, match="must be callable"):
        assert "number" not in things


def test_a_name_that_is_taken_is_told_and_the_first_one_stays(monkeypatch: pytest.MonkeyPatch):
    things = registry(monkeypatch, Point("first", len), Point("own", max), Point("own", min))
    with pytest.warns(HastenWarning, match="taken") as said:
        assert things["own"] is max
    assert sorted(str(one.message).split("'")[1] for one in said) == ["first", "own"]
    assert things["first"](4) == 2


def test_built_in_members_are_imported_when_they_are_asked_for(monkeypatch: pytest.MonkeyPatch):
    things = registry(monkeypatch)
    assert "second" in things
    with pytest.raises(AttributeError):
        things["second"]


def test_a_program_registers_its_own_and_may_not_take_a_name(monkeypatch: pytest.MonkeyPatch):
    things = registry(monkeypatch)
    assert things.register("own", len) is len
    assert things.register("own", len) is len
    with pytest.raises(BadInput, match="taken"):
        things.register("own", max)
    with pytest.raises(BadInput, match="callable"):
        things.register("other", 3)
    things.reload()
    assert "own" not in things


def test_the_command_line_tells_a_broken_package_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "broken_package-1.0.dist-info").mkdir()
    (tmp_path / "broken_package-1.0.dist-info" / "METADATA").write_text("Name: broken-package\nVersion: 1.0\n")
    points = "\n".join(f"[hasten.{group}]\nbroken = broken_package:x" for group in ("techniques", "rules", "tasks"))
    (tmp_path / "broken_package-1.0.dist-info" / "entry_points.txt").write_text(points)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "argv", ["hasten", "techniques"])

    def as_in_a_new_process():
        warnings.simplefilter("default")
        for one in (techniques(), RULES, HEALTH_RULES, TASKS):
            one.reload()
        main()

    with Forked(as_in_a_new_process) as process:
        output, errors = process.stdout.read(), process.stderr.read()
        assert process.wait() == 0, errors
    assert errors.count("broken-package") == 1
    assert "No module named 'broken_package'" in errors
    assert "batched_gather" in output
