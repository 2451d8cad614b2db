"""Processes that train one model together: each holds all of it and computes its share of every batch.

What one process would compute, they compute together: a step's loss divides by the count of the *whole* batch, which is
summed over the processes before the backward pass, and gradients are summed, so nothing is divided twice. (A mean of
each process's means, as `DistributedDataParallel` takes it, weighs a sample by the size of its share.)

The collectives are those of `torch.distributed`. Every process calls them in the same order, also one whose share of a
batch is empty.
"""

import os
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from io import BytesIO
from itertools import accumulate
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from hasten.base.errors import BadInput, OthersGone
from hasten.data.batch import Batch
from hasten.training.counting import Count
from hasten.training.sharding import divided_as, from_part, own_part

Result = TypeVar("Result")

RENDEZVOUS = "HASTEN_RENDEZVOUS"
"""Environment variable with the file through which processes of one machine find each other: nothing listens for it."""
RESTARTS = "TORCHELASTIC_RESTART_COUNT"
"""Environment variable with the number of times that the processes were started again."""
_WAIT = timedelta(minutes=10)

NOTHING: Batch = object()
"""The batch of a process whose share of it is empty."""


@dataclass(frozen=True)
class Processes:
    """This process among those that train together.

    Args:
        rank: number of this process, from 0.
        size: number of processes.
        shares: part of each batch that each process takes, in any unit; None for equal parts.
        per_share: how many processes, neighbors by number, compute one share together, each with a part of the model.
    """

    rank: int
    size: int
    shares: tuple[float, ...] | None = None
    per_share: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.size:
            raise ValueError(f"process {self.rank} of {self.size}")
        if self.per_share < 1 or self.size % self.per_share:
            raise ValueError(f"{self.size} processes cannot form groups of {self.per_share}")
        count = self.num_shares
        if self.shares is not None and (len(self.shares) != count or min(self.shares) < 0 or not sum(self.shares)):
            raise ValueError(f"shares must be {count} numbers of at least 0, one of them more; found {self.shares}")

    @property
    def num_shares(self) -> int:
        """Into how many shares a batch is divided."""
        return self.size // self.per_share

    @property
    def share(self) -> int:
        """The number of the share that this process computes, alone or with its neighbors."""
        return self.rank // self.per_share

    @property
    def speaks(self) -> bool:
        """Whether this process tells the results of its share: one of those that compute it does."""
        return self.rank % self.per_share == 0

    def bounds(self, batch_size: int) -> tuple[int, int]:
        """Return where this process's samples begin and end in a batch of the usual size; whole samples."""
        sums = [0.0, *accumulate(self.shares or (1.0,) * self.num_shares)]
        begin, end = (round(batch_size * sums[place] / sums[-1]) for place in (self.share, self.share + 1))
        return begin, end

    def own_size(self, batch_size: int) -> int:
        """Return how many samples of a batch of the usual size this process has."""
        begin, end = self.bounds(batch_size)
        return end - begin

    def sizes(self, samples: int, batch_size: int) -> list[int]:
        """Return how many samples each share has of a batch of so many, in the usual size or a smaller one."""
        firsts = range(0, self.size, self.per_share)
        all_bounds = [replace(self, rank=rank).bounds(batch_size) for rank in firsts]
        return [max(0, min(end, samples) - begin) for begin, end in all_bounds]

    def own(self, ids: Tensor, batch_size: int) -> Tensor:
        """Return this process's part of the ids of one batch; of a smaller one it can be empty."""
        begin, end = self.bounds(batch_size)
        return ids[begin:end]

    def total(self, count: Count, device: str) -> Count:
        """Return the sum over all shares: a number of numbers, a tensor on the device of tensors."""
        summed = torch.as_tensor(count, dtype=torch.float64, device=device).clone()
        dist.all_reduce(summed if self.speaks else summed.zero_())
        return summed if isinstance(count, Tensor) else float(summed)

    def totals(self, values: Sequence[float], device: str) -> list[float]:
        """Return the sums over all processes of several numbers."""
        summed = torch.tensor(list(values), dtype=torch.float64, device=device)
        dist.all_reduce(summed)
        return summed.tolist()

    def totals_of_shares(self, values: Sequence[float], device: str) -> list[float]:
        """Return the sums over all shares of several numbers."""
        return self.totals(values if self.speaks else [0.0] * len(values), device)

    def sum_gradients(self, parameters: Sequence[nn.Parameter], group: dist.ProcessGroup | None = None) -> None:
        """Put the sum over all processes in place of each gradient; a parameter that has none anywhere keeps none.

        Cost: one collective for each data type, over a copy of the gradients.

        Args:
            parameters: of parameters that are sharded, each process sums the part that it has.
            group: the processes that have the same parts; None for all.

        Raises:
            BadInput: if a gradient is sparse.
        """
        groups: dict[tuple[torch.dtype, torch.device], list[nn.Parameter]] = {}
        for parameter in parameters:
            groups.setdefault((parameter.dtype, parameter.device), []).append(parameter)
        for alike in groups.values():
            _sum_alike(alike, group)

    def of_first(self, text: str, device: str) -> str:
        """Return the text that process 0 has."""
        content = torch.tensor(list(text.encode()), dtype=torch.uint8, device=device)
        size = torch.tensor(len(content), device=device)
        dist.broadcast(size, 0)
        if self.rank:
            content = content.new_empty(int(size))
        dist.broadcast(content, 0)
        return bytes(content.tolist()).decode()

    def gathered(self, state: Any, device: str) -> list[Any]:
        """Return the plain data and tensors of every process, in order, in process 0; elsewhere those of this process.

        They come as bytes that load without running code, and their tensors on the CPU.
        """
        file = BytesIO()
        torch.save(state, file)
        own = torch.frombuffer(bytearray(file.getvalue()), dtype=torch.uint8).to(device)
        sizes = [torch.zeros(1, dtype=torch.int64, device=device) for _ in range(self.size)]
        dist.all_gather(sizes, torch.tensor([len(own)], device=device))
        padded = own.new_zeros(max(map(int, sizes)))
        padded[: len(own)] = own
        into = [torch.empty_like(padded) for _ in range(self.size)] if self.rank == 0 else None
        dist.gather(padded, into)
        if into is None:
            return [state]
        return [_loaded(one[: int(size)]) for one, size in zip(into, sizes, strict=True)]

    def first_here(self, read: Callable[[], Result]) -> Result:
        """Return what each process reads, process 0 before the others: it may repair what it finds."""
        if self.rank:
            dist.barrier()
            return read()
        found = read()
        dist.barrier()
        return found

    def same_buffers(self, model: nn.Module) -> None:
        """Give every process the buffers of process 0, such as running statistics, which each made of its own share."""
        for buffer in model.buffers():
            dist.broadcast(buffer, 0)


def _loaded(content: Tensor) -> Any:
    return torch.load(BytesIO(content.cpu().numpy().tobytes()), map_location="cpu", weights_only=True)


def _sum_alike(parameters: Sequence[nn.Parameter], group: dist.ProcessGroup | None) -> None:
    """Sum the gradients of parameters of one data type and device."""
    pieces = list[Tensor]()
    for parameter in parameters:
        grad = parameter.grad
        if grad is not None and grad.is_sparse:
            raise BadInput(
                "several processes cannot add sparse gradients up; found one of an embedding of shape "
                f"{tuple(parameter.shape)}. Build it with sparse=False."
            )
        own = own_part(parameter.detach()) if grad is None else own_part(divided_as(parameter, grad))
        pieces.append(torch.zeros_like(own).flatten() if grad is None else own.flatten())
    present = [float(parameter.grad is not None) for parameter in parameters]
    flat = torch.cat([*pieces, pieces[0].new_tensor(present)])
    dist.all_reduce(flat, group=group)
    *summed, anywhere = flat.split([*(len(piece) for piece in pieces), len(parameters)])
    for parameter, grad, has in zip(parameters, summed, anywhere.tolist(), strict=True):
        parameter.grad = from_part(parameter, grad.view_as(own_part(parameter))) if has else None


def rank_here() -> int:
    """Return the number of this process among those that were started together; 0 for one alone."""
    return int(os.environ.get("RANK", "0"))


def _meeting_place(rank: int, size: int) -> dist.Store:
    """Return where the processes find each other: a file, or what `torchrun` listens on.

    That one outlives processes that are started again, and the addresses of those that have gone stay in it.
    """
    if (path := os.environ.get(RENDEZVOUS)) is not None:
        return dist.FileStore(path, size)
    store, _, _ = next(dist.rendezvous("env://", rank, size, timeout=_WAIT))
    return dist.PrefixStore(f"attempt {os.environ.get(RESTARTS, '0')}", store)


def others_gone(error: BaseException) -> bool:
    """Return whether an error of a collective says that another process has ended or does not answer."""
    lost = isinstance(error, dist.DistBackendError | dist.DistNetworkError)
    return lost or (isinstance(error, RuntimeError) and "gloo/transport/" in str(error))


@contextmanager
def together(device: str) -> Generator[Processes | None]:
    """Join the processes that were started together; None where this one was started alone.

    `torchrun` and `hasten train --processes` say it in the environment: `RANK` and `WORLD_SIZE`. Processes that the
    person's own code has joined already are used and left as they are.

    Args:
        device: on which they train; it decides by what they talk.

    Raises:
        BadInput: if there are more processes than GPUs.
        OthersGone: if another process ended while this one waited for it.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1 or "RANK" not in os.environ:
        yield None
        return
    rank = rank_here()
    if device.startswith("cuda"):
        _take_gpu(int(os.environ.get("LOCAL_RANK", "0")))
    if dist.is_initialized():
        yield Processes(rank, size)
        return
    try:
        dist.init_process_group(
            "nccl" if device.startswith("cuda") else "gloo",
            store=_meeting_place(rank, size),
            rank=rank,
            world_size=size,
            timeout=_WAIT,
        )
        yield Processes(rank, size)
    except Exception as error:
        if others_gone(error):
            raise OthersGone("another process has ended or does not answer.") from error
        raise
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


def _take_gpu(number: int) -> None:
    """Use the GPU of this number; each process of a machine has one of its own."""
    if number >= (found := torch.cuda.device_count()):
        raise BadInput(f"each process needs a GPU of its own; found {found}. Start as many processes at most.")
    torch.cuda.set_device(number)
