"""Trainings of every form leave as scripts with the same bits; their data are handed over, and not loaded again."""

import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from benchmarks.any_training.catalog import TRAININGS
from benchmarks.any_training.equality import of_task
from hasten.base.errors import Refused
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
    monkeypatch.setattr("hasten.pipeline.eject.ejecting.samples_of", lambda task: samples)
    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def text_of(task: Task) -> str:
    return write_out(task, plan_of(task.name, ()), baseline_of(task, facts())).text


@pytest.mark.parametrize("name", ["multi-task", "vae", "gan", "own-evaluation", "sparse-and-dense-optimizers", "bert"])
def test_the_script_has_the_losses_and_weights_of_the_training(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if name not in TRAININGS:
        pytest.skip("transformers is not installed")
    losses, model = of_task(TRAININGS[name])
    script = types.ModuleType("ejected_script")
    monkeypatch.setitem(sys.modules, script.__name__, script)  # where a dataclass looks for its annotations
    exec(compile(text_of(TRAININGS[name].task()), name, "exec"), script.__dict__)
    data = TRAININGS[name].task().data
    monkeypatch.setattr(script, "load", lambda: (data.train, data.valid))
    assert script.main() == losses
    weights = torch.load("final.pt", weights_only=True)
    assert all(torch.equal(value, weights[key]) for key, value in model.state_dict().items())


def test_a_model_with_lazy_layers_is_refused() -> None:
    with pytest.raises(Refused, match="the model has lazy layers, whose sizes only a batch tells"):
        text_of(TRAININGS["lazy-modules"].task())
