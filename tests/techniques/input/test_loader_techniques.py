"""Loaders that a technique puts in place hand out the plain loader's batches, or are refused for a reason."""

from dataclasses import replace
from pathlib import Path
from time import sleep
from typing import Any

import pytest
import torch
from torch.utils.data import Dataset

from hasten import Data, Stop, Task
from hasten.data.loading.tiers import Picked
from hasten.machine import facts
from hasten.techniques.applying import apply_all, make
from hasten.training.building import build
from hasten.training.loop import train
from hasten.training.recipe import baseline
from hasten.tuning.gates import Reference, judge
from hasten.tuning.tune import tune

from tiny_tasks import mlp_task

NAMES = ("fastest_loader", "loader_threads", "loader_process", "loader_workers", "packed_store")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


class Decoded(Dataset[Any]):
    def __init__(self, size: int = 40, wait_s: float = 0.0, random: bool = False) -> None:
        self.size, self.wait_s, self.random = size, wait_s, random

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        sleep(self.wait_s)
        return torch.randn(5) if self.random else torch.arange(index, index + 5) / 40, index % 2


def decoded_task(**options: Any) -> Task:
    return mlp_task(data=Data(train=Decoded(**options), valid=Decoded(9)), dropout=0.2, stop=Stop(epochs=2))


@pytest.mark.parametrize(
    "names",
    [*((name,) for name in NAMES), *(pytest.param((name, "prefetch"), marks=pytest.mark.slow) for name in NAMES)],
)
def test_every_loader_trains_the_same_model_bit_for_bit(names: tuple[str, ...]) -> None:
    recipe = baseline(decoded_task())
    changed = apply_all([make(name) for name in names], recipe, facts())
    trained: list[list[torch.Tensor]] = []
    for one in (recipe, changed):
        run = build(one)
        list(train(run))
        trained.append([parameter.detach() for parameter in run.parameters])
    assert all(torch.equal(plain, other) for plain, other in zip(*trained, strict=True))


@pytest.mark.parametrize("names", [("loader_process",), ("loader_workers",), ("loader_workers", "prefetch")])
@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_random_samples_are_the_same_in_every_process(names: tuple[str, ...], workers: int) -> None:
    task = decoded_task(random=True)
    recipe = baseline(replace(task, data=replace(task.data, workers=workers)))
    trained: list[list[torch.Tensor]] = []
    for one in (
        baseline(task),
        recipe,
        apply_all([make(name, {"workers": 1} if name == "loader_workers" else {}) for name in names], recipe, facts()),
    ):
        run = build(one)
        list(train(run))
        trained.append([parameter.detach() for parameter in run.parameters])
    assert all(torch.equal(first, other) for others in trained for first, other in zip(trained[0], others, strict=True))


@pytest.mark.parametrize(
    "name", [pytest.param(one, marks=() if one == "packed_store" else pytest.mark.slow) for one in NAMES]
)
def test_each_passes_the_gate_of_exactness(name: str) -> None:
    recipe = baseline(decoded_task())
    gate = judge(make(name).apply(recipe), make(name).card.guarantee, Reference(recipe))
    assert gate.passed, gate.detail


def test_the_session_says_what_was_picked() -> None:
    run = build(make("fastest_loader").apply(baseline(decoded_task())))
    assert isinstance(run.train_fetch, Picked)
    assert run.train_fetch.choice.name in run.train_fetch.choice.samples_per_s


@pytest.mark.parametrize("name", NAMES)
def test_refusals_name_a_fact(name: str) -> None:
    machine = facts()

    def reason(task: Task) -> str:
        return make(name).refuse(baseline(task), machine) or ""

    assert reason(decoded_task()) == ""
    assert "can be gathered" in reason(mlp_task())
    assert "full batch is built only once" in reason(replace(decoded_task(), batch_size=None))
    reasons = {"packed_store": "differs when it is read again", "loader_threads": "the order of the draws is not fixed"}
    assert reasons.get(name, "") in reason(decoded_task(random=True))
    assert bool(reason(decoded_task(random=True))) == (name in reasons)


def test_packing_that_cannot_pay_is_refused_until_the_store_is_there() -> None:
    short = replace(decoded_task(wait_s=0.001), stop=Stop(epochs=1))
    long = decoded_task(wait_s=0.001)
    refuse = make("packed_store").refuse
    assert "reads each sample at most once" in (refuse(baseline(short), facts()) or "")
    why = make("packed_store", {"longest_s": 0.01}).refuse(baseline(long), facts()) or ""
    assert "packing would take about" in why
    list(train(build(make("packed_store").apply(baseline(long)))))
    assert refuse(baseline(short), facts()) is None
    holds_a_lock = decoded_task()
    holds_a_lock.data.train.lock = open("/dev/null")  # noqa: SIM115
    assert "Decoded.lock (a TextIOWrapper) cannot be told" in (refuse(baseline(holds_a_lock), facts()) or "")
    holds_a_lock.data.train.lock.close()


@pytest.mark.slow
def test_tuning_uses_the_store_where_decoding_is_what_a_step_waits_for() -> None:
    task = replace(decoded_task(wait_s=0.001), stop=Stop(epochs=500))
    tuning = list(tune(baseline(task), facts(), budget_s=40, only=("packed_store", "batched_gather")))[-1]
    assert tuning.plan.names == ("packed_store",), [(trial.technique, trial.reason) for trial in tuning.trials]
    assert tuning.speedup is not None
    assert tuning.speedup.low > 2
