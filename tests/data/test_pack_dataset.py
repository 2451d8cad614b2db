"""A data set packed is the data set, bit for bit, and is read only once."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset

from hasten.base.errors import BadInput
from hasten.data.loading.loaders import per_sample
from hasten.data.packing.materialize import materialize
from hasten.data.packing.pack_dataset import is_packed, pack_dataset, packed
from hasten.data.store.pack import pack
from hasten.data.store.reader import open_store


class Counted(Dataset[Any]):
    """Samples of several types, and how often one was read."""

    def __init__(self, size: int = 37, shift: int = 0) -> None:
        self.size, self.shift, self.reads = size, shift, 0

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> Any:
        self.reads += 1
        value = index + self.shift
        return (
            torch.full((2, 3), value % 256, dtype=torch.uint8),
            np.float32([value, 0.5]),
            value % 2 == 0,
            value / 3,
            value,
        )


@pytest.mark.parametrize("batch_size", [1, 8, 37])
def test_batches_from_the_store_equal_those_of_the_plain_loader(tmp_path: Path, batch_size: int) -> None:
    data, ids = Counted(), torch.randperm(37)
    fetch = packed(data, batch_size, fingerprint="a", cache=tmp_path)
    assert data.reads == 0, "nothing is read before the first batch is asked for"
    for (own_ids, own), (other_ids, other) in zip(fetch(ids), per_sample(data, batch_size)(ids), strict=True):
        assert torch.equal(own_ids, other_ids)
        assert [column.dtype for column in own] == [column.dtype for column in other]
        assert all(torch.equal(a, b) for a, b in zip(own, other, strict=True))


def test_a_second_run_finds_the_store_and_other_samples_are_packed_anew(tmp_path: Path) -> None:
    list(packed(Counted(), 8, fingerprint="a", cache=tmp_path)(torch.arange(37)))
    again, other = Counted(), Counted(shift=1)
    assert is_packed(again, "a", tmp_path)
    assert not is_packed(other, "b", tmp_path)
    again.reads = 0
    list(packed(again, 8, fingerprint="a", cache=tmp_path)(torch.arange(37)))
    assert again.reads < 20, "only some are compared"
    ((_, batch),) = packed(other, 37, fingerprint="b", cache=tmp_path)(torch.arange(37))
    assert batch[-1].tolist() == list(range(1, 38))


def test_a_fingerprint_that_does_not_tell_all_is_found_out(tmp_path: Path) -> None:
    list(packed(Counted(), 8, fingerprint="a", cache=tmp_path)(torch.arange(37)))
    with pytest.raises(BadInput, match="found another field '0' in sample 0, so its fingerprint does not tell all"):
        packed(Counted(shift=1), 8, fingerprint="a", cache=tmp_path)(torch.arange(37))


def test_packing_that_was_stopped_ends_in_what_reading_all_at_once_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hasten.data.packing.pack_dataset._CHUNK_BYTES", 10_000)
    data = Counted(size=3000)
    whole = materialize(data)

    class StoppedError(Exception):
        pass

    def stop(done: int, total: int) -> None:
        if done > total / 2:
            raise StoppedError

    packing = pack_dataset(data, "a")
    with pytest.raises(StoppedError):
        pack(packing, tmp_path / "store", progress=stop)
    pack(packing, tmp_path / "store")
    store = open_store(tmp_path / "store")
    for name, values in whole.items():
        np.testing.assert_array_equal(store.take(name, torch.arange(3000)).numpy(), values)


def test_samples_that_change_are_not_stored(tmp_path: Path) -> None:
    class Random(Counted):
        def __getitem__(self, index: int) -> Any:
            return torch.rand(2), index

    with pytest.raises(BadInput, match="must return the same sample every time to be stored"):
        packed(Random(), 8, fingerprint="a", cache=tmp_path)(torch.arange(5))
