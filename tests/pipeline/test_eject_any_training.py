"""Trainings of every form leave as scripts with the same bits; their data are handed over, and not loaded again."""

import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from benchmarks.any_training.catalog import TRAININGS
from benchmarks.any_training.equality import of_task
from hasten.machine import facts
from hasten.pipeline.eject.copying import Copier
from hasten.pipeline.eject.ejecting import write_out
from hasten.pipeline.eject.samples import Samples
from hasten.techniques.applying import plan_of
from hasten.techniques.baseline import baseline_of
from hasten.training.task import Task


@pytest.fixture(autouse=True)
def handed_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    samples = Samples("def load():\n    raise NotImplementedError", Copier())
    monkeypatch.setattr("hasten.pipeline.eject.ejecting.samples_of", lambda task, rest: samples)
    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def text_of(task: Task) -> str:
    return write_out(task, plan_of(task.name, ()), baseline_of(task, facts())).text


QUICK = ("clipping-ema-accumulation", "detection", "gan", "graph-network", "lstm-packed", "sparse-and-dense-optimizers")


@pytest.mark.parametrize(
    "name", [pytest.param(one, marks=() if one in QUICK else pytest.mark.slow) for one in TRAININGS]
)
def test_the_script_has_the_losses_and_weights_of_the_training(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    losses, model = of_task(TRAININGS[name])
    script = types.ModuleType("ejected_script")
    monkeypatch.setitem(sys.modules, script.__name__, script)  # where a dataclass looks for its annotations
    exec(compile(text_of(TRAININGS[name].task()), name, "exec"), script.__dict__)
    data = TRAININGS[name].task().data
    data.rewind()  # the training above has used the same loaders, whose generators go on
    monkeypatch.setattr(script, "load", lambda: (data.train, data.valid))
    assert script.main() == losses
    weights = torch.load("final.pt", weights_only=True)
    if "ema" in TRAININGS[name].task().uses:
        return  # the averages are kept, and not the weights that are trained
    assert all(torch.equal(value, weights[key]) for key, value in model.state_dict().items())
