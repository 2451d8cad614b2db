"""A gather gives what stacking single samples gives, bit for bit."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import Dataset, Subset, TensorDataset

from hasten import Data
from hasten.data.datasets import Windows
from hasten.data.loading import loaders
from hasten.data.loading.gather import take, why_not
from hasten.data.loading.loaders import Fetched, gathered, per_sample
from hasten.machine import facts
from hasten.techniques.applying import make
from hasten.training.recipe import baseline

from tiny_tasks import mlp_task


def stacked(dataset: Dataset[Any], ids: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return tuple(torch.stack(column) for column in zip(*(dataset[int(i)] for i in ids), strict=True))


DATASETS = [
    TensorDataset(torch.randn(23, 3, 2), torch.arange(23)),
    TensorDataset(torch.randint(0, 255, (9, 4), dtype=torch.uint8), torch.randn(9).bfloat16()),
    Windows(torch.randint(0, 60, (101,), dtype=torch.uint8), 7),
    Subset(TensorDataset(torch.randn(23, 2), torch.arange(23)), [3, 1, 22, 5, 5]),
    Subset(Subset(Windows(torch.arange(50, dtype=torch.int32), 4), [9, 2, 3]), [2, 0]),
]


@settings(max_examples=20, deadline=None)
@given(data=st.data(), dataset=st.sampled_from(DATASETS))
def test_take_equals_stacking(data: st.DataObject, dataset: Dataset[Any]) -> None:
    ids = torch.tensor(data.draw(st.lists(st.integers(0, len(dataset) - 1), min_size=1, max_size=30)))
    for mine, theirs in zip(take(dataset, ids), stacked(dataset, ids), strict=True):
        assert mine.dtype == theirs.dtype
        assert torch.equal(mine, theirs)


@pytest.mark.parametrize("batch_size", [1, 4, 8, 23, 50])
@pytest.mark.parametrize("run_bytes", [1, 200, 1000])
def test_both_loaders_hand_out_the_same_batches(
    batch_size: int, run_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loaders, "RUN_BYTES", run_bytes)
    dataset = DATASETS[0]
    ids = torch.randperm(len(dataset))
    state = torch.get_rng_state()
    slow, fast = list(per_sample(dataset, batch_size)(ids)), list(gathered(dataset, batch_size)(ids))
    assert torch.equal(state, torch.get_rng_state())
    assert len(slow) == len(fast) == -(-23 // batch_size)
    for (slow_ids, slow_batch), (fast_ids, fast_batch) in zip(slow, fast, strict=True):
        assert torch.equal(slow_ids, fast_ids)
        assert all(torch.equal(a, b) for a, b in zip(slow_batch, fast_batch, strict=True))


def small_batches() -> list[Fetched]:
    """Return batches of 16 samples and of 64 and 128 bytes, so that several of them are gathered at once."""
    dataset = TensorDataset(torch.arange(100, dtype=torch.float32), torch.arange(100))
    return list(gathered(dataset, 16)(torch.randperm(100)))


def test_small_batches_share_memory_but_are_changed_and_differentiated_apart() -> None:
    _, second, third, *_ = (batch for _, batch in small_batches())
    assert second[0].untyped_storage().data_ptr() == third[0].untyped_storage().data_ptr()
    assert all(column.data_ptr() % 64 == 0 for column in (*second, *third))
    weight, kept = torch.ones((), requires_grad=True), third[0].clone()
    loss = (second[0] * weight).sum()
    third[0].zero_()
    loss.backward()  # keeps `second` for the gradient, which the change of `third` must not spoil
    assert weight.grad == second[0].sum() != kept.sum()


def test_batches_of_odd_size_have_memory_of_their_own() -> None:
    dataset = TensorDataset(torch.arange(100, dtype=torch.float32))
    storages = {batch[0].untyped_storage().data_ptr() for _, batch in list(gathered(dataset, 9)(torch.arange(100)))}
    assert len(storages) == 12


def test_refuses_tensors_that_are_changed_sample_by_sample() -> None:
    class Noisy(TensorDataset):
        def __getitem__(self, index: int) -> tuple[torch.Tensor, ...]:
            return tuple(column + 1 for column in super().__getitem__(index))

    assert "a Noisy changes samples one at a time" in str(why_not(Noisy(torch.arange(3))))
    assert why_not(Subset(Noisy(torch.arange(3)), [1])) is not None


def test_refuses_what_computes_its_samples() -> None:
    class Computed(Dataset[Any]):
        def __len__(self) -> int:
            return 80

        def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
            return torch.randn(5), torch.tensor(index % 2)

    task = mlp_task(data=Data(train=Computed(), valid=Computed()))
    reason = make("batched_gather").refuse(baseline(task), facts())
    assert reason is not None
    assert "a Computed reads one sample at a time" in reason


def test_refuses_a_full_batch() -> None:
    reason = make("batched_gather").refuse(baseline(mlp_task(batch_size=None)), facts())
    assert reason is not None
    assert "full batch is built only once" in reason
