"""Processes that have some tokens each between divided layers train as one process does."""

from pathlib import Path

import pytest
import torch
from divided import SEQUENCES, dropped_tokens_work, sequence_work
from together import check_trained_as_one, found_in

pytestmark = [pytest.mark.dist, pytest.mark.timeout(600)]


@pytest.mark.parametrize(("size", "group"), [(2, 2), (4, 2), (4, 4)])
def test_processes_with_some_tokens_train_as_one(size: int, group: int, tmp_path: Path) -> None:
    found = found_in(tmp_path, size, sequence_work, group)
    for name, case in SEQUENCES.items():
        check_trained_as_one(found, name, case.recipe())
        lengths = [one[name]["tokens"] for one in found[:group]]
        assert sum(lengths) == 7
        assert max(lengths) == -(-7 // group)


def test_each_process_drops_other_numbers_of_its_tokens_and_all_train_the_same_model(tmp_path: Path) -> None:
    first, second = found_in(tmp_path, 2, dropped_tokens_work, 2)
    assert first["losses"] == second["losses"]
    assert all(map(torch.equal, first["parameters"], second["parameters"]))
    assert first["dropped"].any()
    assert not torch.equal(first["dropped"], second["dropped"])
