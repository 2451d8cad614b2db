"""A diagnosis can be looked at: histograms, the log for TensorBoard, the options of the command line."""

import builtins
import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional
from typer.testing import CliRunner

import hasten
from hasten import api
from hasten.base.errors import BadInput
from hasten.base.seeds import seed_all
from hasten.cli.main import app
from hasten.diagnosis.dynamics.histograms import Histograms, histogram
from hasten.diagnosis.watching.hooks import TrainingWatch
from hasten.pipeline.diagnosing import Diagnosing
from hasten.pipeline.tensorboard_log import scalars

MISSING = importlib.util.find_spec("tensorboard") is None
needs_tensorboard = pytest.mark.skipif(MISSING, reason="tensorboard is not installed (the extra tensorboard)")


def train(watch: TrainingWatch | None, steps: int = 12) -> list[torch.Tensor]:
    seed_all(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-2)
    inputs, targets = torch.randn(32, 4), torch.arange(32) % 3

    def loop() -> None:
        for _ in range(steps):
            optimizer.zero_grad()
            functional.cross_entropy(model(inputs), targets).backward()
            optimizer.step()

    if watch is None:
        loop()
    else:
        with watch:
            loop()
    return [one.detach().clone() for one in model.parameters()]


def watched(steps: int = 12, *, histograms: bool = False) -> Diagnosing:
    doctor = hasten.diagnosing("net", histograms=histograms)
    train(doctor, steps)
    assert doctor.failed == {}
    return doctor


def test_histograms_hold_every_entry_and_change_nothing() -> None:
    plain = train(None)
    doctor = hasten.diagnosing(histograms=True)
    assert all(torch.equal(one, other) for one, other in zip(plain, train(doctor), strict=True))
    found = doctor.seen().histograms
    assert [one.name for one in found] == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert [one.step for one in found[0].gradient] == list(range(1, 13))
    assert sum(found[0].weight[0].counts) == 32


def test_histograms_are_evenly_spread_over_a_long_training() -> None:
    collector = Histograms()
    train(TrainingWatch([collector]), steps=150)
    steps = [one.step for one in collector.histograms()[0].gradient]
    assert steps == list(range(1, 151, 8))


def test_a_histogram_leaves_out_what_is_not_finite() -> None:
    found = histogram(torch.tensor([1.0, 2.0, float("nan"), float("inf"), 5.0]), 3)
    assert found is not None
    assert (found.low, found.high, sum(found.counts), found.sum, found.sum_of_squares) == (1.0, 5.0, 3, 8.0, 30.0)
    assert histogram(torch.tensor([float("nan")]), 3) is None


def test_without_asking_there_are_no_histograms() -> None:
    assert watched().seen().histograms == ()


def test_scalars_are_those_of_the_record() -> None:
    dynamics = watched().seen().dynamics
    assert dynamics is not None
    found = list(scalars(dynamics))
    assert [value for tag, _, value in found if tag == "loss/training"] == list(dynamics.losses)
    gradient = {step: value for tag, step, value in found if tag == "gradient_norm/0.weight"}
    assert gradient[1] == pytest.approx(dynamics.parameters[0].gradient[0] * 32**0.5)  # type: ignore[operator]
    tags = {tag for tag, _, _ in found}
    assert {"learning_rate", "gradient_norm/all", "update_ratio/2.weight", "direction/gradient_cosine"} <= tags


def test_the_page_of_a_loop_of_ones_own(tmp_path: Path) -> None:
    watched().write_html(tmp_path / "health.html")
    page = (tmp_path / "health.html").read_text()
    assert "hasten diagnose · net" in page
    assert "Gradients over the depth" in page


@needs_tensorboard
@pytest.mark.filterwarnings("ignore")
def test_tensorboard_reads_the_log(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    doctor = watched(histograms=True)
    doctor.write_tensorboard(tmp_path)
    log = EventAccumulator(str(tmp_path)).Reload()
    dynamics = doctor.seen().dynamics
    assert dynamics is not None
    assert [one.value for one in log.Scalars("loss/training")] == pytest.approx(dynamics.losses)
    assert {"gradient/0.weight", "weight/2.bias"} <= set(log.Tags()["histograms"])
    assert log.Histograms("weight/0.weight")[0].histogram_value.num == 32


def test_without_tensorboard_the_command_fails_before_it_trains(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plain = builtins.__import__

    def without(name: str, *args: Any) -> Any:
        if name.split(".")[0] == "tensorboard":
            raise ModuleNotFoundError(name)
        return plain(name, *args)

    for name in [one for one in sys.modules if one.startswith("torch.utils.tensorboard")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(BadInput, match=r"pip install 'hasten\[tensorboard\]'"):
        api.diagnose(None, tensorboard=tmp_path)  # type: ignore[arg-type]


def test_the_command_writes_a_page(tmp_path: Path) -> None:
    page = tmp_path / "health.html"
    run = CliRunner().invoke(app, ["diagnose", "--steps", "12", "--html", str(page), "linear"])
    assert run.exit_code == 0, run.output
    assert f"page: {page}" in run.output.replace("\n", "")
    assert "hasten diagnose · linear" in page.read_text()


def test_a_page_that_cannot_be_written_is_bad_input(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    run = CliRunner().invoke(
        app, ["diagnose", "--steps", "12", "--html", str(tmp_path / "file" / "health.html"), "linear"]
    )
    assert run.exit_code == 2
    assert "cannot write" in run.output
