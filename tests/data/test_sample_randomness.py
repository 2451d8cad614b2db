"""Random samples: a function of (seed, epoch, batch), in this process and in every other."""

import random
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset, Subset

from hasten import Data, Stop
from hasten.data.loading.loaders import of_epoch, per_sample
from hasten.data.loading.sample_randomness import drawn_from, generators_of, seeding_controls
from hasten.data.loading.workers import Workers
from hasten.techniques.input.loader_threads import LoaderProcess, LoaderWorkers
from hasten.training.building import build
from hasten.training.recipe import baseline

from tiny_tasks import mlp_task

GENERATOR = np.random.default_rng(3)
SIZE = 32


def by_module(sample: float) -> float:
    return sample + GENERATOR.random()


class Noisy(Dataset[Any]):
    """Each sample is a draw from the generator that `draw` uses."""

    def __init__(self, draw: Any, held: Any = None) -> None:
        self.draw, self.held = draw, held

    def __len__(self) -> int:
        return SIZE

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        drawn = self.draw(self.held) if self.held is not None else self.draw()
        return torch.full((5,), float(drawn), dtype=torch.float64), index % 2


def closure() -> Any:
    own = random.Random(5)
    return lambda: own.random()


DRAWS = {
    "torch": lambda: Noisy(lambda: torch.rand(())),
    "numpy": lambda: Noisy(np.random.rand),
    "python": lambda: Noisy(random.random),
    "own numpy generator": lambda: Noisy(lambda own: own.random(), np.random.default_rng(1)),
    "own random state": lambda: Noisy(lambda own: own.rand(), np.random.RandomState(1)),
    "own torch generator": lambda: Noisy(lambda own: torch.rand((), generator=own), torch.Generator().manual_seed(2)),
    "own python generator": lambda: Noisy(lambda own: own.random(), random.Random(1)),
    "in a list": lambda: Noisy(lambda own: own[0]["rng"].random(), [{"rng": random.Random(1)}]),
    "closure": lambda: Noisy(closure()),
    "partial": lambda: Noisy(partial(random.Random(4).uniform, 0, 1)),
    "module": lambda: Noisy(lambda: by_module(0.0)),
    "subset": lambda: Subset(Noisy(lambda own: own.random(), random.Random(1)), range(SIZE)),
}


def draws(recipe: Any, steps: int = 12) -> list[float]:
    """The draws of 3 epochs of 32 samples, in batches of 8."""
    run = build(recipe)
    found: list[float] = []
    for ids, batch in islice(run.batches(), steps):
        found += batch[0][:, 0].tolist()
        run.advance(len(ids), 1.0)
    return found


def task_of(dataset: Any, workers: int = 0) -> Any:
    data = Data(train=dataset, valid=dataset, workers=workers)
    return replace(mlp_task(data=data, stop=Stop(epochs=3)), batch_size=8)


def global_ones() -> Dataset[Any]:
    return Noisy(lambda: torch.rand(()) + np.random.rand() + random.random())


@pytest.mark.parametrize(
    "make",
    [
        global_ones,
        DRAWS["own numpy generator"],
        # a test below finds the generators of each without starting processes
        *(pytest.param(make, marks=pytest.mark.slow) for make in DRAWS.values()),
    ],
    ids=["global ones", "own one", *DRAWS],
)
def test_three_epochs_of_32_samples_have_96_draws_whoever_makes_them(make: Callable[[], Dataset[Any]]) -> None:
    plain = baseline(task_of(make()))
    expected = draws(plain)
    assert len(set(expected)) == 96
    for recipe in (
        baseline(task_of(make(), workers=2)),
        LoaderProcess(threads=2).apply(plain),
        LoaderWorkers(workers=2).apply(plain),
    ):
        assert draws(recipe) == expected


@pytest.mark.parametrize("name", DRAWS)
def test_the_generators_of_a_data_set_are_found(name: str) -> None:
    dataset = DRAWS[name]()
    (number,) = drawn_from(dataset)
    assert (number < 3) == (name in ("torch", "numpy", "python"))
    assert number < len(generators_of(dataset))
    assert seeding_controls(dataset)


def test_a_run_that_goes_on_in_an_epoch_draws_what_an_unbroken_one_does() -> None:
    recipe = baseline(task_of(DRAWS["own numpy generator"](), workers=2))
    whole = draws(recipe)
    run = build(recipe)
    run.position.step, run.position.epoch, run.position.offset = 6, 1, 16
    rest = [batch[0][:, 0].tolist() for _, batch in islice(run.batches(), 2)]
    assert [drawn for batch in rest for drawn in batch] == whole[48:64]


@pytest.mark.parametrize("name", ["torch", "numpy", "python", "own numpy generator"])
def test_reading_leaves_every_generator_as_it_was(name: str) -> None:
    dataset = DRAWS[name]()
    held = generators_of(dataset)
    before = [torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()]
    own = held[3].bit_generator.state if len(held) > 3 else None
    list(of_epoch(per_sample(dataset, 8), 1)(torch.arange(SIZE)))
    assert torch.equal(before[0], torch.get_rng_state())
    assert (before[1] == np.random.get_state()[1]).all()
    assert before[2] == random.getstate()
    assert own is None or own == held[3].bit_generator.state


def test_finding_the_generators_changes_nothing_in_the_data_set() -> None:
    class Counting(Noisy):
        reads = 0

        def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
            self.reads += 1
            return super().__getitem__(index)

    dataset = Counting(random.random)
    dataset.reads = 3
    assert drawn_from(dataset) == (2,)
    assert seeding_controls(dataset)
    assert dataset.reads == 3


def test_epochs_and_seeds_draw_other_numbers() -> None:
    dataset, ids = DRAWS["torch"](), torch.arange(8)
    found = [next(iter(of_epoch(loader(dataset, 8), seed)(ids)))[1][0] for loader in (per_sample, Workers(1))
             for seed in (1, 2)]  # fmt: skip
    assert torch.equal(found[0], found[2])
    assert torch.equal(found[1], found[3])
    assert not torch.equal(found[0], found[1])


def test_samples_that_draw_nothing_are_not_seeded() -> None:
    assert drawn_from(Noisy(lambda: 0.5)) == ()


def test_randomness_that_no_seed_controls_is_refused() -> None:
    dataset = Noisy(random.SystemRandom().random)
    assert not seeding_controls(dataset)
    from hasten.machine import facts

    reason = LoaderWorkers(workers=2).refuse(baseline(task_of(dataset)), facts())
    assert reason == "a sample of the Noisy differs when it is read again from the same random seeds"


@pytest.mark.parametrize("workers", [-1, 1.5, True, "2"])
def test_a_number_of_workers_that_is_none_is_refused(workers: Any) -> None:
    from hasten.base.errors import BadInput

    with pytest.raises(BadInput, match=r"Data.workers must be a whole number of processes, 0 or more; found"):
        Data(train=Noisy(random.random), valid=Noisy(random.random), workers=workers)


def test_as_many_workers_as_there_are_is_no_change() -> None:
    from hasten.machine import facts

    recipe = baseline(task_of(DRAWS["torch"](), workers=2))
    assert LoaderWorkers(workers=2).refuse(recipe, facts()) == "the batches are made by 2 workers already"
    assert LoaderWorkers(workers=3).refuse(recipe, facts()) is None
