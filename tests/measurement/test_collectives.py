"""What collectives are given to send is counted, in torch's own reducers too."""

from collections.abc import Iterator

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from hasten.measurement.collectives import Collectives


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A group of one process, which talks to nobody."""
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def test_the_whole_tensor_of_a_collective_is_counted() -> None:
    part, whole = torch.zeros(6), torch.zeros(6)
    with Collectives() as found:
        dist.all_reduce(part)
        dist.all_reduce(part)
        dist.all_gather([whole], part)
        torch.add(part, 1)
    assert dict(found.calls) == {"allreduce_": 2, "allgather_": 1}
    assert dict(found.whole_bytes) == {"allreduce_": 48, "allgather_": 24}


def test_the_buckets_of_data_parallel_are_counted() -> None:
    model = DistributedDataParallel(nn.Linear(7, 3))
    loss = model(torch.ones(2, 7)).sum()
    with Collectives() as found:
        loss.backward()
    assert found.whole_bytes["allreduce_"] == 4 * (7 * 3 + 3)


def test_nothing_is_counted_where_nothing_is_sent() -> None:
    with Collectives() as found:
        torch.ones(3).sum()
    assert not found.calls
