"""A fingerprint changes with what a data set is made from, and only then."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset, Subset, TensorDataset

from hasten.base.errors import BadInput
from hasten.data.packing.dataset_fingerprint import dataset_fingerprint, why_no_fingerprint


class Files(Dataset[Any]):
    def __init__(self, *parts: Any, transform: Any = None) -> None:
        self.parts, self.transform = parts, transform

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> Any:
        return index, index


def scaled(by: float) -> Any:
    return lambda image: image * by


SAME = [
    lambda: TensorDataset(torch.arange(6), torch.ones(6)),
    lambda: Subset(TensorDataset(torch.arange(6)), [1, 2]),
    lambda: Files(1, "two", [3.0], {"four": np.arange(4)}, {5, 6}, None, transform=scaled(2)),
    lambda: Files(Path("/nowhere"), torch.float32, range(3), transform=np.mean),
]


def test_equal_data_sets_have_one_fingerprint_and_others_another() -> None:
    found = [dataset_fingerprint(make()) for make in SAME]
    assert found == [dataset_fingerprint(make()) for make in SAME]
    assert None not in found
    assert len(set(found)) == len(SAME)


@pytest.mark.parametrize(
    "other",
    [
        Files(2, transform=scaled(2)),
        Files(1, transform=scaled(3)),
        Files(1, transform=lambda image: image + 2),
        Files(np.int64(1), transform=scaled(2)),
        Files(1, 1, transform=scaled(2)),
    ],
)
def test_another_value_function_or_constant_is_another_fingerprint(other: Files) -> None:
    assert dataset_fingerprint(other) != dataset_fingerprint(Files(1, transform=scaled(2)))


def test_files_count_with_their_sizes_and_times(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(b"12345")
    datasets = [Files(file), Files(str(file)), Files(tmp_path)]
    before = [dataset_fingerprint(dataset) for dataset in datasets]
    os.utime(file, ns=(1, 1))
    touched = [dataset_fingerprint(dataset) for dataset in datasets]
    assert not set(before) & set(touched)
    file.write_bytes(b"1234567")
    assert not set(touched) & {dataset_fingerprint(dataset) for dataset in datasets}


def test_what_cannot_be_told_is_named(tmp_path: Path) -> None:
    with (tmp_path / "a").open("wb") as file:
        assert why_no_fingerprint(Files(file)) == (
            "Files.parts[0] (a BufferedWriter) cannot be told; give the data set a method `fingerprint` that returns a "
            "text"
        )
        assert dataset_fingerprint(Files(file)) is None
    assert "Files.parts" in (why_no_fingerprint(Files(np.array([object()]))) or "")


def test_a_data_set_may_say_it_itself_and_may_hold_itself() -> None:
    class Own(Files):
        def fingerprint(self) -> Any:
            return self.parts[0]

    assert dataset_fingerprint(Own("a")) == dataset_fingerprint(Own("a", object())) != dataset_fingerprint(Own("b"))
    with pytest.raises(BadInput, match="fingerprint of the data set Own must be a text; found int"):
        dataset_fingerprint(Own(3))
    circle = Files()
    circle.parts = (circle,)
    assert why_no_fingerprint(circle) is None
