"""Processes whose parameters drift apart are told so; no process waits for another."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import distributed, multiprocessing, nn, optim
from torch.nn.parallel import DistributedDataParallel

import hasten
from hasten.base.records.finding import Abstained, Finding
from hasten.base.records.health import Health
from hasten.base.records.wiring import Leaf, Replicas, Wiring
from hasten.diagnosis.registry import Tier
from hasten.diagnosis.watching.hooks import TrainingWatch
from hasten.diagnosis.wiring.replicas import ReplicaCollector, Together
from hasten.diagnosis.wiring.replicas_differ import find

LEAF = Leaf(name="weight", numel=2, trainable=True, model=0, held=True)


def health(replicas: Replicas | None) -> Health:
    return Health(name="loop", steps=20, wiring=Wiring(updates=20, leaves=(LEAF,), replicas=replicas))


@pytest.mark.parametrize(
    ("differ", "fires"),
    [
        ((1e-3, 2e-3, 1e-2), True),
        ((1e-3, 0.0, 1e-2), False),  # averaged now and then
        ((0.0, 0.0, 0.0), False),
        ((1e-12, 1e-12), False),  # added up in another order
    ],
)
def test_only_parameters_that_are_never_equal_are_told(differ: tuple[float, ...], fires: bool) -> None:
    found = find(health(Replicas(processes=2, compared=1, alike=1, differ=differ)))
    assert isinstance(found, Finding) is fires
    assert fires or found is None


@pytest.mark.parametrize(
    ("replicas", "reason"),
    [
        (None, "one process trains alone"),
        (Replicas(processes=2, compared=0, alike=0), "no other process told its parameters"),
        (Replicas(processes=2, compared=0, alike=0, sharded=True), "each process holds a part of the parameters"),
        (Replicas(processes=2, compared=1, alike=1, differ=(0.1,)), "no other process told its parameters"),
    ],
)
def test_the_rule_abstains_without_others(replicas: Replicas | None, reason: str) -> None:
    assert find(health(replicas)) == Abstained(symptom="replicas_differ", reason=reason)


def watched(models: Sequence[nn.Module], *, seeds: Sequence[int] = (0, 1)) -> list[ReplicaCollector]:
    """Train as each of several processes in turn, which meet in one store."""
    store, collectors = distributed.HashStore(), list[ReplicaCollector]()
    for rank, (model, seed) in enumerate(zip(models, seeds, strict=True)):
        collectors.append(ReplicaCollector(lambda rank=rank: Together(rank, 2, store)))
        optimizer = optim.SGD(model.parameters(), 0.1)
        torch.manual_seed(seed)
        with TrainingWatch([collectors[-1]]) as watch:
            for _ in range(4):
                optimizer.zero_grad()
                model(torch.randn(8, 3)).square().mean().backward()
                optimizer.step()
        assert watch.failed == {}
    return collectors


@pytest.fixture(autouse=True)
def _numbered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The processes that a test plays in turn are in the same training."""
    monkeypatch.setattr("hasten.diagnosis.wiring.replicas._number", lambda: 0)


def equal_models(number: int) -> list[nn.Module]:
    models: list[nn.Module] = [nn.Linear(3, 2) for _ in range(number)]
    for one in models[1:]:
        one.load_state_dict(models[0].state_dict())
    return models


def test_other_batches_without_averaging_make_replicas_differ() -> None:
    seen = watched(equal_models(2))[-1].replicas()
    assert seen is not None
    assert (seen.compared, seen.alike, len(seen.differ)) == (1, 1, 3)
    assert min(seen.differ) > 1e-3


def test_the_same_batches_keep_replicas_equal() -> None:
    seen = watched(equal_models(2), seeds=[5, 5])[-1].replicas()
    assert seen is not None
    assert (seen.alike, seen.differ) == (1, (0.0, 0.0, 0.0))


def test_processes_of_other_models_are_not_compared() -> None:
    seen = watched([nn.Linear(3, 2), nn.Linear(3, 4)])[-1].replicas()
    assert seen is not None
    assert seen.compared == 0
    apart = watched([nn.Linear(3, 2), nn.Linear(3, 2)])[-1].replicas()
    assert apart is not None
    assert (apart.compared, apart.alike) == (1, 0), "parts of one layer have the same shapes and other numbers"


def _work(rank: int, folder: str, wrapped: bool, watched_ranks: tuple[int, ...]) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    torch.manual_seed(0)
    model: Any = nn.Linear(3, 2)
    model = DistributedDataParallel(model) if wrapped else model
    optimizer = optim.SGD(model.parameters(), 0.1)
    torch.manual_seed(rank)

    def train() -> None:
        for _ in range(24):
            optimizer.zero_grad()
            model(torch.randn(8, 3)).square().mean().backward()
            optimizer.step()
        distributed.barrier()

    if rank in watched_ranks:
        with hasten.diagnosing() as doctor:
            train()
        said = doctor.diagnosis([Tier.WIRING])
        named = [one.symptom for one in said.findings] + [f"skipped {one.symptom}" for one in said.abstained]
        Path(folder, f"{rank}.txt").write_text("\n".join([*named, *doctor.failed]))
    else:
        train()
    distributed.destroy_process_group()


@pytest.mark.dist
@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("wrapped", "ranks", "told"),
    [
        (False, (0, 1), {"replicas_differ"}),
        (True, (0, 1), set[str]()),
        (False, (1,), {"skipped replicas_differ"}),  # the other one is not watched: nobody waits
    ],
)
def test_two_processes(tmp_path: Path, wrapped: bool, ranks: tuple[int, ...], told: set[str]) -> None:
    multiprocessing.start_processes(_work, args=(str(tmp_path), wrapped, ranks), nprocs=2, start_method="fork")
    for rank in ranks:
        named = set((tmp_path / f"{rank}.txt").read_text().splitlines())
        assert {one for one in named if "replicas" in one} == told
        assert "ReplicaCollector" not in named
