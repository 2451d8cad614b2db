"""The examples are what their first lines say: short, and they run."""

import runpy
import sys
from pathlib import Path

import pytest

import hasten
from hasten.base.records.run import StopReason
from hasten.tasks.loading import load_task

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
TASKS = ("mlp.py", "cnn.py", "own_loss.py")


@pytest.mark.parametrize("name", TASKS)
def test_a_task_takes_under_25_lines(name: str) -> None:
    assert len((EXAMPLES / name).read_text().splitlines()) < 25


def test_every_example_is_named_in_a_test() -> None:
    tests = "".join(file.read_text() for file in EXAMPLES.parent.glob("tests/**/test_*.py"))
    assert [file.name for file in EXAMPLES.glob("*.py") if file.stem not in tests] == []


@pytest.mark.parametrize("name", ["mlp.py", pytest.param("cnn.py", marks=pytest.mark.slow)])
def test_it_trains_to_its_target(name: str) -> None:
    trained = hasten.train(load_task(str(EXAMPLES / name)), runs=None)
    assert trained.result.reason is StopReason.TARGET


def test_nine_of_ten_values_lie_below_the_line() -> None:
    task = load_task(str(EXAMPLES / "own_loss.py"))
    model = hasten.train(task, runs=None).model
    x, y = task.data.valid.tensors
    assert 0.88 < float((y < model(x)).float().mean()) < 0.92


@pytest.mark.slow
def test_every_verb_works_from_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(EXAMPLES), *sys.path])
    runpy.run_path(str(EXAMPLES / "from_python.py"), run_name="__main__")
    said = capsys.readouterr().out
    assert "forward" in said
    assert "accuracy" in said
    folder = tmp_path / said.rsplit("the report is in ", 1)[1].strip()
    assert (folder / "report.html").stat().st_size > 1000
