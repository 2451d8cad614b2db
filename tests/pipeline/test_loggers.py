"""Trackers get what a training reported, once, and never end it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import hasten
from hasten import Plan, Stop
from hasten.base.errors import BadInput
from hasten.base.records.notices import Note
from hasten.base.records.run import Evaluation, Progress, Started
from hasten.pipeline.loggers import logging
from hasten.pipeline.loggers.logger import Run
from hasten.pipeline.loggers.logging import Logging
from hasten.training.recipe import baseline
from hasten.training.running import run_training

from tiny_tasks import mlp_task


class Kept:
    """A tracker that keeps what it gets, or fails."""

    opened: list["Kept"] = []

    def __init__(self, place: str, run: Run) -> None:
        self.place, self.run, self.closed = place, run, False
        self.values: list[tuple[int, Mapping[str, float]]] = []
        Kept.opened.append(self)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        if self.place == "broken":
            raise OSError("no space left")
        self.values.append((step, dict(values)))

    def close(self) -> None:
        self.closed = True


@pytest.fixture(autouse=True)
def _kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Kept, "opened", [])
    monkeypatch.setitem(logging.KINDS, "kept", (Kept, "usual"))


def trained(*to: str) -> list[object]:
    """Train with trackers and return what was shown."""
    shown: list[object] = []
    with Logging(to, "the-run", shown.append) as show:
        run_training(baseline(mlp_task(stop=Stop(epochs=2))), Plan(task="mlp"), show=show)
    return shown


def test_a_tracker_gets_every_report_and_evaluation_and_is_closed() -> None:
    shown = trained("kept:there")
    (kept,) = Kept.opened
    assert (kept.place, kept.run.name, kept.closed) == ("there", "the-run", True)
    assert kept.run.parameters["task"] == next(one.task for one in shown if isinstance(one, Started))
    reports = [one for one in shown if isinstance(one, Progress)]
    told = [(step, values["train/loss"]) for step, values in kept.values if "train/loss" in values]
    assert told == [(one.step, pytest.approx(sum(map(float, one.losses)) / len(one.losses))) for one in reports]
    judged = [(step, values["valid/accuracy"]) for step, values in kept.values if "valid/accuracy" in values]
    assert judged == [(one.step, one.metric) for one in shown if isinstance(one, Evaluation)]


def test_a_tracker_that_fails_is_left_with_a_note_and_the_others_go_on() -> None:
    shown = trained("kept:broken", "kept")
    notes = [one.text for one in shown if isinstance(one, Note) and "logging to kept stopped" in one.text]
    assert len(notes) == 1
    assert "no space left" in notes[0]
    assert Kept.opened[1].values
    assert Kept.opened[1].closed


@pytest.mark.parametrize(("to", "said"), [("nothing:x", "unknown tracker 'nothing'"), ("kept", "--log kept needs")])
def test_what_cannot_be_logged_to_leaves_no_run_behind(tmp_path: Path, to: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        hasten.train(mlp_task(), log=[to], runs=tmp_path)
    assert not list(tmp_path.iterdir())


def test_an_unknown_tracker_is_named_before_the_training() -> None:
    with pytest.raises(BadInput, match="unknown tracker 'tensorbord'.*tensorboard"):
        trained("tensorbord:logs")


def test_tensorboard_reads_what_was_written(tmp_path: Path) -> None:
    reading: Any = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    shown = trained(f"tensorboard:{tmp_path}")
    found = reading.EventAccumulator(str(tmp_path / "the-run"))
    found.Reload()
    last = next(one for one in reversed(shown) if isinstance(one, Evaluation))
    assert found.Scalars("valid/accuracy")[-1].value == pytest.approx(last.metric)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # MLflow uses what SQLAlchemy has deprecated
def test_mlflow_goes_on_with_the_run_of_a_folder(tmp_path: Path) -> None:
    pytest.importorskip("mlflow")
    place = f"sqlite:///{tmp_path / 'runs.db'}"
    for _ in range(2):
        shown = trained(f"mlflow:{place}")
        assert not [one for one in shown if isinstance(one, Note)]
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=place)
    experiment = client.get_experiment_by_name("tiny")
    (run,) = client.search_runs([experiment.experiment_id])
    evaluations = sum(isinstance(one, Evaluation) for one in shown)
    assert len(client.get_metric_history(run.info.run_id, "valid/accuracy")) == 2 * evaluations
    assert run.info.status == "FINISHED"


@pytest.mark.slow
def test_wandb_writes_offline(tmp_path: Path) -> None:
    pytest.importorskip("wandb")
    shown = trained(f"wandb:{tmp_path}")
    assert not [one for one in shown if isinstance(one, Note)]
    assert list(tmp_path.rglob("*.wandb"))
