"""Memory is used again when nothing lies in it, and never before."""

from collections.abc import Callable
from threading import Thread
from typing import Any

import pytest
import torch

from hasten.data.loading.gather import rows
from hasten.data.loading.reused_memory import SMALLEST_BYTES, ReusedMemory

COUNT = SMALLEST_BYTES // 4
"""Numbers of float32 that are just enough to be reused."""


def place(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def test_memory_that_nothing_lies_in_is_used_again() -> None:
    memory = ReusedMemory()
    first = memory.empty((COUNT,), torch.float32)
    where = place(first)
    del first
    second = memory.empty((COUNT // 8, 4), torch.int64)
    assert place(second) == where
    assert second.shape == (COUNT // 8, 4)
    assert second.dtype is torch.int64


KEEPERS: dict[str, Callable[[torch.Tensor], Any]] = {
    "tensor": lambda tensor: tensor,
    "view": lambda tensor: tensor[5:7],
    "detached": lambda tensor: tensor.detach().view(2, -1).t(),
    "array": lambda tensor: tensor.numpy()[1:],
}


@pytest.mark.parametrize("keeper", KEEPERS)
def test_whatever_keeps_a_tensor_keeps_its_memory(keeper: str) -> None:
    memory = ReusedMemory()
    tensor = memory.empty((COUNT,), torch.float32).fill_(3.0)
    kept, where = KEEPERS[keeper](tensor), place(tensor)
    del tensor
    others = [memory.empty((COUNT,), torch.float32).zero_() for _ in range(3)]
    assert len({where, *map(place, others)}) == 4
    assert (torch.as_tensor(kept) == 3).all()


def test_a_graph_that_waits_for_its_backward_pass_keeps_its_memory() -> None:
    memory, weight = ReusedMemory(), torch.ones((), requires_grad=True)
    loss = (memory.empty((COUNT,), torch.float32).fill_(3.0) * weight).sum()
    memory.empty((COUNT,), torch.float32).zero_()
    loss.backward()
    assert weight.grad == 3.0 * COUNT


def test_threads_do_not_share_memory() -> None:
    memory, places = ReusedMemory(), list[int]()
    mine = memory.empty((COUNT,), torch.float32)
    where = place(mine)
    del mine
    other = Thread(target=lambda: places.append(place(memory.empty((COUNT,), torch.float32))))
    other.start()
    other.join()
    assert places[0] != where
    assert place(memory.empty((COUNT,), torch.float32)) == where


@pytest.mark.parametrize("dtype", [torch.float32, torch.uint8, torch.bfloat16, torch.bool, torch.uint16])
def test_gathered_rows_equal_indexed_ones(dtype: torch.dtype) -> None:
    column = torch.randint(0, 2, (40, 3, 7001)).to(dtype)
    ids = torch.randint(0, 40, (33,))
    for _ in range(3):
        assert torch.equal(rows(column, ids), torch.stack([column[i] for i in ids.tolist()]))
