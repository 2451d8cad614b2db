"""Time that a step of a layout takes: computing, and what of the communication is not hidden behind it."""

import math
from dataclasses import dataclass

from hasten.base.records.layout import Layout, Links, StepMemory, StepTimes

SMALL_REDUCTIONS = 3
"""Of a few numbers, in each step: the count of the whole batch, its loss, and what all agree on after the step."""
_NUMBER_BYTES = 8


def all_reduce_s(size_bytes: float, processes: int, links: Links) -> float:
    """Return the seconds of an all-reduce: by a ring, or by two trees where latency dominates.

    Source: Thakur et al., 2005, doi:10.1177/1094342005051521 (ring); NCCL 2.4 (trees).
    """
    if processes == 1:
        return 0.0
    ring = 2 * (processes - 1) * links.latency_s + sent_by_all_reduce(size_bytes, processes) / links.bytes_per_s
    trees = 2 * math.ceil(math.log2(processes)) * links.latency_s + 2 * size_bytes / links.bytes_per_s
    return min(ring, trees)


def gather_s(size_bytes: float, processes: int, links: Links) -> float:
    """Return the seconds of an all-gather into `size_bytes` by a ring, or of a reduce-scatter of as many."""
    steps = processes - 1
    return steps * links.latency_s + sent_by_gather(size_bytes, processes) / links.bytes_per_s


def sent_by_all_reduce(size_bytes: float, processes: int) -> float:
    """Return the bytes that each process sends in an all-reduce: no way to do it sends fewer."""
    return 2 * (processes - 1) / processes * size_bytes


def sent_by_gather(size_bytes: float, processes: int) -> float:
    """Return the bytes that each process sends in an all-gather or a reduce-scatter."""
    return (processes - 1) / processes * size_bytes


@dataclass(frozen=True)
class Communication:
    """The collectives of one step: (bytes of the whole tensor, processes, number of such collectives)."""

    all_reduces: tuple[tuple[float, int, int], ...] = ()
    gathers: tuple[tuple[float, int, int], ...] = ()

    def total_s(self, links: Links) -> float:
        """Return the seconds of all of them, one after the other."""
        reduced = sum(count * all_reduce_s(size, among, links) for size, among, count in self.all_reduces)
        return reduced + sum(count * gather_s(size, among, links) for size, among, count in self.gathers)

    @property
    def sent_bytes(self) -> float:
        """Bytes that each process sends."""
        reduced = sum(count * sent_by_all_reduce(size, among) for size, among, count in self.all_reduces)
        return reduced + sum(count * sent_by_gather(size, among) for size, among, count in self.gathers)


def communication(layout: Layout, memory: StepMemory) -> Communication:
    """Return the collectives of a step for gradients, parameters and activations.

    Sharded parameters are gathered in every pass, twice with `reshard`; gradients are scattered once, in the last
    pass, and then reduced over the replicas. Processes that compute a share together add up activations in every pass.
    With `every` above 1 they are those of a step with a synchronization.

    Args:
        layout: the layout.
        memory: of a step of one process; where the layout has `parts`, of one that has a part of the layers.
    """
    if layout.shards == 1:
        pieces = _pieces(layout, memory)
        gradients = ((memory.gradient_bytes / pieces, layout.replicas, pieces),) if layout.replicas > 1 else ()
        activations = tuple(
            (constant + sample * layout.samples / layout.passes, layout.parts, layout.passes)
            for constant, sample in memory.summed
        )
        return Communication(all_reduces=(*gradients, *activations))
    groups = len(memory.groups)
    gathered = groups * layout.passes * (2 if layout.reshard else 1)
    gathers = (
        (memory.parameter_bytes / groups, layout.shards, gathered),
        (memory.gradient_bytes / groups, layout.shards, groups),
    )
    if layout.replicas == 1:
        return Communication(gathers=gathers)
    return Communication(
        all_reduces=((memory.gradient_bytes / groups / layout.shards, layout.replicas, groups),), gathers=gathers
    )


def _pieces(layout: Layout, memory: StepMemory) -> int:
    """Return in how many collectives gradients are reduced."""
    return 1 if layout.bucket_bytes is None else max(1, math.ceil(memory.gradient_bytes / layout.bucket_bytes))


def step_s(layout: Layout, times: StepTimes, memory: StepMemory, links: Links) -> float:
    """Return the seconds of a step: computing, and the communication that is not hidden.

    A share `links.overlap` of what can run beside the passes is hidden. The first gathering and the last reduction
    cannot: nothing is left to compute meanwhile. Gradients that are reduced in one piece and activations hide nothing.
    Where only some steps are followed by a synchronization, each has its part of it.
    """
    passes_s = layout.passes * times.pass_s + layout.samples * times.sample_s
    computed_s = passes_s + times.update_s / layout.shards
    if layout.processes == 1:
        return computed_s
    sent_s = communication(layout, memory).total_s(links)
    if layout.shards > 1:
        beside_s, alone = passes_s, 1 / len(memory.groups) / layout.passes
    elif layout.bucket_bytes is not None:  # in the last pass alone
        beside_s = times.backward_share * (times.pass_s + layout.micro_batch * times.sample_s)
        alone = 1 / _pieces(layout, memory)
    else:
        beside_s, alone = 0.0, 1.0
    hidden_s = links.overlap * min((1 - alone) * sent_s, beside_s)
    small_s = SMALL_REDUCTIONS * all_reduce_s(_NUMBER_BYTES, layout.processes, links)
    return computed_s + (sent_s - hidden_s + small_s) / layout.every
