"""Laws of the order of samples: each stands once, and where it stands depends on seed and epoch alone."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hasten.base.errors import BadInput
from hasten.data.loading.order import block_shuffled, bucketed, sharded, shuffled

SEEDS = st.integers(0, 5)


@settings(max_examples=40, deadline=None)
@given(size=st.integers(0, 120), seed=SEEDS, epoch=SEEDS, block=st.integers(1, 20), blocks=st.integers(1, 9))
def test_shuffled_blocks_hold_each_sample_once_and_few_of_them_at_a_time(
    size: int, seed: int, epoch: int, block: int, blocks: int
) -> None:
    torch.manual_seed(seed)
    state = torch.get_rng_state()
    order = block_shuffled(size, seed=seed, epoch=epoch, block=block, blocks=blocks)
    assert torch.equal(state, torch.get_rng_state())
    assert order.sort().values.tolist() == list(range(size))
    assert torch.equal(order, block_shuffled(size, seed=seed, epoch=epoch, block=block, blocks=blocks))
    left = torch.bincount(torch.arange(size) // block).tolist()
    full = list(left)
    for sample in order.tolist():  # no more blocks are begun and not yet used up than the memory is to hold
        left[sample // block] -= 1
        assert sum(0 < now < all_of_it for now, all_of_it in zip(left, full, strict=True)) <= blocks
    if size > 60:
        assert not torch.equal(order, block_shuffled(size, seed=seed, epoch=epoch + 1, block=block, blocks=blocks))


def test_samples_of_a_block_come_in_one_window() -> None:
    order = block_shuffled(96, seed=1, epoch=2, block=4, blocks=3)
    for window in order.split(12):
        ids = window.sort().values.view(3, 4)
        assert torch.equal(ids, ids[:, :1] + torch.arange(4))
        assert not torch.equal(window, window.sort().values)
    assert not torch.equal(order, torch.arange(96))


@settings(max_examples=40, deadline=None)
@given(
    full=st.integers(0, 12),
    rest=st.integers(0, 11),
    seed=SEEDS,
    epoch=SEEDS,
    batch_size=st.integers(1, 12),
    batches=st.integers(2, 9),
)
def test_buckets_hold_each_sample_once_and_batches_of_like_length(
    full: int, rest: int, seed: int, epoch: int, batch_size: int, batches: int
) -> None:
    size = full * batch_size + rest % batch_size
    lengths = torch.randint(1, 50, (size,), generator=torch.Generator().manual_seed(seed))
    order = shuffled(size, seed=seed, epoch=epoch)
    found = bucketed(order, lengths, batch_size=batch_size, batches=batches, seed=seed, epoch=epoch)
    assert found.sort().values.tolist() == list(range(size))

    def padding(ids: torch.Tensor) -> int:
        return sum(int((lengths[part].max() - lengths[part]).sum()) for part in ids.split(batch_size) if len(part))

    if rest % batch_size == 0:  # sorting is best for whole batches; a last, smaller one may be worse off for it
        assert padding(found) <= padding(order)


@settings(max_examples=60, deadline=None)
@given(
    size=st.integers(1, 200),
    batch_size=st.integers(1, 24),
    worlds=st.lists(st.sampled_from([1, 2, 3, 4, 7]), min_size=1, max_size=4),
    seed=SEEDS,
)
def test_any_number_of_processes_makes_the_same_batches_also_when_it_changes(
    size: int, batch_size: int, worlds: list[int], seed: int
) -> None:
    order = shuffled(size, seed=seed, epoch=3)
    for step, batch in enumerate(order.split(batch_size)):
        world = worlds[step % len(worlds)]
        parts = [sharded(batch, rank=rank, world=world) for rank in range(world)]
        assert torch.cat(parts).sort().values.tolist() == batch.sort().values.tolist()
        assert max(map(len, parts)) - min(map(len, parts)) <= 1


@settings(max_examples=30, deadline=None)
@given(size=st.integers(0, 100), world=st.integers(1, 9))
def test_evaluation_in_parts_sees_each_sample_once(size: int, world: int) -> None:
    parts = [sharded(torch.arange(size), rank=rank, world=world) for rank in range(world)]
    assert torch.cat(parts).sort().values.tolist() == list(range(size))


def test_a_rank_that_is_not_there_is_told() -> None:
    with pytest.raises(BadInput, match="from 0 to 1.*found 2"):
        sharded(torch.arange(4), rank=2, world=2)
