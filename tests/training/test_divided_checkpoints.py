"""Each process saves what it has of a divided model and its optimizer; any number of processes goes on from that."""

from pathlib import Path
from typing import Any

import pytest
import torch
from moving import done, resumed_work, saved_work, trained_work
from torch import Tensor
from torch.utils._pytree import tree_flatten_with_path

from hasten.training.checkpoint_file import read_checkpoint
from hasten.training.checkpoint_parts import FOLDER, parts_of
from hasten.training.run_files import check_files
from hasten.training.run_folder import CHECKPOINT

pytestmark = [pytest.mark.dist, pytest.mark.timeout(600)]


def assert_same(found: Any, expected: Any) -> None:
    """Assert that two states are equal bit for bit."""
    mine, theirs = (dict(tree_flatten_with_path(one)[0]) for one in (found, expected))
    assert mine.keys() == theirs.keys()
    for path, value in theirs.items():
        if isinstance(value, Tensor):
            assert torch.equal(mine[path], value), path
        elif "elapsed_s" not in str(path):
            assert mine[path] == value or value != value, path


@pytest.mark.parametrize(
    ("layout", "saved_on", "resumed_on"),
    [
        ("fsdp", 2, (3, 1)),
        ("fsdp_bf16", 3, (2, 4)),
        ("replicas", 4, (4,)),
        ("tensor_parallel", 2, (4,)),
        ("rows", 2, (2, 4)),
        ("pipeline_parallel", 2, (4, 2)),
    ],
)
def test_the_state_is_the_same_bit_for_bit_in_any_number_of_processes(
    layout: str, saved_on: int, resumed_on: tuple[int, ...], tmp_path: Path
) -> None:
    expected = done(saved_work, tmp_path, saved_on, layout, 4)[0]
    content = read_checkpoint(tmp_path / "run" / CHECKPOINT)
    parts = parts_of(content, tmp_path / "run" / CHECKPOINT)
    assert parts is not None
    assert len(parts.sha256) == saved_on
    assert check_files(tmp_path / "run").damage == []
    for size in resumed_on:
        for found, notes in done(resumed_work, tmp_path, size, layout, 4):
            assert_same(found, expected)
            assert not any("damaged" in note for note in notes)


def test_one_process_goes_on_with_a_plain_model(tmp_path: Path) -> None:
    expected = done(saved_work, tmp_path, 2, "rows", 4)[0]
    ((found, _),) = done(resumed_work, tmp_path, 1, "whole", 4)
    assert_same(found, expected)


def test_a_changed_part_is_noticed_and_the_checkpoint_before_it_used(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    undisturbed = done(trained_work, tmp_path / "other", 2, "fsdp", 9)[0][0]
    done(trained_work, tmp_path, 2, "fsdp", 6)
    path = folder / CHECKPOINT
    parts = parts_of(read_checkpoint(path), path)
    assert parts is not None
    assert len(list((path.parent / FOLDER).iterdir())) == 2  # of this one and the one before
    file = parts.files(path)[1]
    content = bytearray(file.read_bytes())
    content[-1] ^= 4
    file.write_bytes(content)
    assert any(str(file) in text for text in check_files(folder).damage)
    for found, _ in done(trained_work, tmp_path, 2, "fsdp", 9):
        assert all(map(torch.equal, found, undisturbed))
    first = torch.load(tmp_path / "0.pt")[1]
    assert any("renamed to damaged.pt" in note and str(file) in note for note in first)
    assert check_files(folder).damage == []
