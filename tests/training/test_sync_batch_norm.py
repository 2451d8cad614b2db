"""Batch normalization over several processes is that of one process over the whole batch."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Barrier, local
from typing import Any

import pytest
import torch
import torch.distributed as dist
from hypothesis import given, settings
from hypothesis import strategies as st
from normalized import Normalized, normalized_work
from together import found_in, special, trained
from torch import Tensor, nn

from hasten.machine.facts import facts
from hasten.techniques.parallel import synchronized
from hasten.techniques.parallel.sync_batch_norm import KINDS, SyncBatchNorm
from hasten.techniques.parallel.synchronized import idle, plain, synchronize
from hasten.training.data_parallel import among
from hasten.training.processes import Processes
from hasten.training.recipe import Recipe

CASES = list(range(6))


@pytest.mark.dist
@pytest.mark.timeout(600)
@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_several_processes_normalize_as_one(size: int, tmp_path: Path) -> None:
    found = found_in(tmp_path, size, normalized_work, CASES)
    for number in CASES:
        alone = trained(Normalized(number).recipe())
        for mine, first in ((one[number], found[0][number]) for one in found):
            for what in ("losses", "parameters", "buffers"):
                torch.testing.assert_close(mine[what], alone[what], rtol=1e-4, atol=1e-5)
            theirs, ours = ([value for one in side["evaluations"] for value in one] for side in (alone, mine))
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
            assert mine["losses"] == first["losses"]
            for what in ("parameters", "buffers"):
                assert all(map(torch.equal, mine[what], first[what]))


class Threads:
    """The collectives of processes that are threads of this one."""

    def __init__(self, size: int) -> None:
        self._size, self._barrier, self._given, self._own = size, Barrier(size), [torch.empty(0)] * size, local()

    def get_world_size(self) -> int:
        return self._size

    def all_gather(self, into: list[Tensor], own: Tensor) -> None:
        self._given[self._own.rank] = own.clone()
        self._barrier.wait(30)
        for place, one in zip(into, self._given, strict=True):
            place.copy_(one)
        self._barrier.wait(30)

    def all_reduce(self, own: Tensor) -> None:
        into = [torch.empty_like(own) for _ in range(self._size)]
        self.all_gather(into, own)
        own.copy_(torch.stack(into).sum(0))

    def run(self, work: Callable[[int], Any]) -> list[Any]:
        def at(rank: int) -> Any:
            self._own.rank = rank
            return work(rank)

        with ThreadPoolExecutor(self._size) as pool:
            return list(pool.map(at, range(self._size)))


@given(
    sizes=st.lists(st.integers(0, 5), min_size=1, max_size=4).filter(lambda sizes: sum(sizes) > 1),
    kind=st.sampled_from(KINDS),
    momentum=st.sampled_from((0.1, 0.7, None)),
    affine=st.booleans(),
    tracked=st.booleans(),
    far=st.sampled_from((0.0, 100.0)),
    dtype=st.sampled_from((torch.float64, torch.float32)),
    seed=st.integers(0, 1000),
)
@settings(max_examples=60, deadline=None)
def test_shares_of_any_size_are_normalized_as_the_whole_batch(
    sizes: list[int],
    kind: Any,
    momentum: float | None,
    affine: bool,
    tracked: bool,
    far: float,
    dtype: torch.dtype,
    seed: int,
) -> None:
    torch.manual_seed(seed)
    layer = kind(3, momentum=momentum, affine=affine, track_running_stats=tracked).to(dtype)
    rest = {nn.BatchNorm1d: (), nn.BatchNorm2d: (2, 2), nn.BatchNorm3d: (2, 1, 2)}[kind]
    samples = torch.randn(sum(sizes), 3, *rest, dtype=dtype) + far
    weights = torch.randn_like(samples)
    whole, threads = deepcopy(layer), Threads(len(sizes))
    x = samples.clone().requires_grad_()
    out = whole(x)
    (out * weights).sum().backward()

    def at(rank: int) -> tuple[Tensor, Tensor, nn.Module]:
        mine = synchronize(deepcopy(layer))
        own = samples.split(sizes)[rank].clone().requires_grad_()
        if not sizes[rank]:
            with idle(mine):
                example = torch.randn(2, 3, *rest, dtype=dtype, requires_grad=True)
                (mine(example) * 0).sum().backward()
            assert example.grad is not None
            assert not example.grad.any()
            return own.detach(), own.detach(), mine
        found = mine(own)
        (found * weights.split(sizes)[rank]).sum().backward()
        assert own.grad is not None
        return found.detach(), own.grad, mine

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(synchronized, "dist", threads)
        found = threads.run(at)
    bound = 1e-9 if dtype is torch.float64 else 2e-3
    assert_close = partial(torch.testing.assert_close, rtol=bound, atol=bound)
    assert x.grad is not None
    assert_close(torch.cat([one for one, _, _ in found]), out.detach())
    assert_close(torch.cat([grad for _, grad, _ in found]), x.grad)
    for name, parameter in whole.named_parameters():
        grads = [mine.get_parameter(name).grad for _, _, mine in found]
        assert_close(sum(one for one in grads if one is not None), parameter.grad)
    for _, _, mine in found:
        assert_close(dict(mine.named_buffers()), dict(whole.named_buffers()))


@pytest.fixture
def group_of_one() -> Iterator[None]:
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@pytest.mark.usefixtures("group_of_one")
def test_samples_in_bfloat16_are_normalized_by_statistics_in_float32() -> None:
    torch.manual_seed(0)
    layer, x = nn.BatchNorm2d(3), (torch.randn(8, 3, 4, 4) * 3 + 50).bfloat16()
    mine, expected = synchronize(deepcopy(layer)), layer(x.float())
    own = x.clone().requires_grad_()
    out = mine(own)
    out.sum().backward()
    assert out.dtype == torch.bfloat16
    assert own.grad is not None
    assert own.grad.dtype == torch.bfloat16
    torch.testing.assert_close(out.float(), expected, rtol=0.02, atol=0.02)
    torch.testing.assert_close(dict(mine.named_buffers()), dict(layer.named_buffers()))


@pytest.mark.usefixtures("group_of_one")
def test_one_value_in_all_processes_is_an_error_as_in_one() -> None:
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        synchronize(nn.BatchNorm1d(3))(torch.randn(1, 3))


def test_only_the_class_of_a_layer_changes_and_comes_back() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.Sequential(nn.BatchNorm2d(2)))
    before, names = dict(model.named_modules()), [name for name, _ in model.named_parameters()]
    changed = synchronize(model)
    assert isinstance(changed.get_submodule("1"), synchronized.Synchronized)
    assert [name for name, _ in changed.named_parameters()] == names
    assert {type(one) for one in plain(changed).modules()} == {nn.Sequential, nn.Conv2d, nn.BatchNorm2d}
    assert dict(model.named_modules()) == before


def test_without_training_it_is_the_plain_layer() -> None:
    torch.manual_seed(0)
    layer, x = nn.BatchNorm1d(3).eval(), torch.randn(1, 3)
    assert torch.equal(synchronize(deepcopy(layer))(x), layer(x))


def with_model(model: Callable[[], nn.Module]) -> Recipe:
    """Return a training of a model by two processes."""
    recipe, _ = special("static graph")
    return among(replace(recipe, task=replace(recipe.task, model=model)), Processes(0, 2))


class Own(nn.BatchNorm1d):
    """A batch normalization of somebody's own."""


def test_where_it_cannot_help_it_says_why() -> None:
    fits = with_model(lambda: nn.Sequential(nn.BatchNorm1d(6), nn.Linear(6, 3)))
    for recipe, reason in (
        (special("static graph")[0], "one process alone"),
        (with_model(lambda: nn.Linear(6, 3)), "no batch normalization"),
        (with_model(lambda: nn.Sequential(Own(6), nn.Linear(6, 3))), "the layer '0' is a Own"),
        (fits.with_backward(micro_batch=2), "accumulation"),
    ):
        assert reason in (SyncBatchNorm().refuse(recipe, facts()) or "")
    assert SyncBatchNorm().refuse(fits, facts()) is None
