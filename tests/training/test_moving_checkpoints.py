"""A run saved by so many processes goes on in another number, in the middle of an epoch: each sample is used once."""

from itertools import chain, pairwise

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from hasten import Data, Task
from hasten.training.building import build
from hasten.training.data_parallel import among, in_processes
from hasten.training.processes import NOTHING, Processes
from hasten.training.recipe import baseline
from hasten.training.session import Session

from tiny_tasks import mlp_task

SAMPLES, BATCH = 50, 8


def task(*, given: bool) -> Task:
    numbers = torch.arange(float(SAMPLES))[:, None].expand(-1, 5).contiguous()
    data = TensorDataset(numbers, torch.arange(SAMPLES) % 2)
    return mlp_task(data=Data(train=DataLoader(data, BATCH, shuffle=True) if given else data, valid=data))


def sessions(size: int, *, given: bool) -> list[Session]:
    """Return what each of several processes builds; none of them talks to another before its first step."""
    recipe = baseline(task(given=given))
    if size == 1:
        return [build(recipe)]
    return [build(in_processes(among(recipe, Processes(rank, size)))) for rank in range(size)]


def read(run: Session, steps: int) -> list[list[int]]:
    """Return the numbers of the samples that a process computes in each step."""
    found, batches = list[list[int]](), run.fetched()
    for _ in range(steps):
        ids, batch = next(batches)
        found.append([] if batch is NOTHING else batch[0][:, 0].int().tolist())
        run.advance(len(ids), 0.0)
    batches.close()
    return found


@pytest.mark.parametrize("given", [False, True], ids=["by id", "DataLoader"])
@pytest.mark.parametrize("sizes", [(1, 2, 4), (4, 2, 1), (2, 4, 2), (4, 1, 4)])
def test_the_samples_are_those_of_one_process(sizes: tuple[int, ...], given: bool) -> None:
    stops = (0, 3, 9, 16)  # an epoch has 7 steps, the last of two samples
    whole = read(sessions(1, given=given)[0], stops[-1])
    assert sorted(chain(*whole[:7])) == list(range(SAMPLES))
    state = None
    for size, (begin, end) in zip(sizes, pairwise(stops), strict=True):
        runs = sessions(size, given=given)
        if state is not None:
            for run in runs:
                run.load_state(state)
        parts = []
        for run in runs:
            before = torch.get_rng_state()
            parts.append(read(run, end - begin))
            if run is not runs[-1]:
                torch.set_rng_state(before)  # each process draws the same order from its own generator
        assert [list(chain(*shares)) for shares in zip(*parts, strict=True)] == whole[begin:end]
        state = runs[0].state()
