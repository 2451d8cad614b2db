"""Processes that train together compute what one process computes, whatever the shares: also empty ones."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import multiprocessing

from hasten.base.errors import BadInput
from hasten.training.data_parallel import in_processes
from hasten.training.processes import Processes

from together import STEPS, Case, trained, work

CASES = list(range(12))


@pytest.fixture(scope="module", params=[1, 2, 3, 4])
def found(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[list[dict[str, Any]]]:
    """What each process of a world found of each case."""
    size, folder = request.param, tmp_path_factory.mktemp("together")
    multiprocessing.spawn(work, args=(size, CASES, str(folder)), nprocs=size)
    return [torch.load(Path(folder) / f"{rank}.pt") for rank in range(size)]


@pytest.mark.dist
@pytest.mark.timeout(600)
def test_several_processes_train_as_one(found: list[list[dict[str, Any]]]) -> None:
    for number in CASES:
        alone, together = trained(Case(number).recipe()), [one[number] for one in found]
        for mine in together:
            assert len(mine["losses"]) == STEPS
            torch.testing.assert_close(mine["losses"], alone["losses"], rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(mine["parameters"], alone["parameters"], rtol=1e-3, atol=1e-4)
            assert [one[0] for one in mine["evaluations"]] == [one[0] for one in alone["evaluations"]]
            theirs, ours = ([value for one in side["evaluations"] for value in one[1:]] for side in (alone, mine))
            torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)
            assert mine["losses"] == together[0]["losses"]
            assert all(map(torch.equal, mine["parameters"], together[0]["parameters"]))


def test_shares_are_whole_samples_and_cover_a_batch() -> None:
    for shares in (None, (1.0, 2.0, 4.0), (0.0, 1.0, 1.0), (1.0, 1e-3, 1.0)):
        for size in (1, 2, 7, 64):
            bounds = [Processes(rank, 3, shares).bounds(size) for rank in range(3)]
            assert bounds[0][0] == 0 and bounds[-1][1] == size
            assert all(one[1] == other[0] for one, other in zip(bounds, bounds[1:], strict=False))


def test_a_smaller_batch_is_cut_where_the_usual_one_is() -> None:
    ids = torch.arange(5)
    own = [Processes(rank, 4).own(ids, 16).tolist() for rank in range(4)]
    assert own == [[0, 1, 2, 3], [4], [], []]


def test_a_batch_without_a_sample_for_each_is_refused() -> None:
    recipe = Case(0).recipe().with_input(batch_size=2)
    with pytest.raises(BadInput, match="has none for process 1 of 3"):
        in_processes(recipe, Processes(1, 3, (1.0, 0.1, 1.0)))
