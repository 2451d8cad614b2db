"""Time that sending takes: messages, and the collectives of one step."""

import math
from dataclasses import dataclass

from hasten.base.records.layout import Links


def message_s(size_bytes: float, links: Links) -> float:
    """Return the seconds until a message has arrived."""
    return links.latency_s + size_bytes / links.bytes_per_s


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
    """The collectives of one step: (bytes of the whole tensor, processes, number of such collectives).

    `messages` go to neighbors in a pipeline: (bytes, number), of the process that sends most.
    """

    all_reduces: tuple[tuple[float, int, int], ...] = ()
    gathers: tuple[tuple[float, int, int], ...] = ()
    messages: tuple[tuple[float, int], ...] = ()

    def total_s(self, links: Links) -> float:
        """Return the seconds of all collectives, one after the other; messages are part of a schedule."""
        reduced = sum(count * all_reduce_s(size, among, links) for size, among, count in self.all_reduces)
        return reduced + sum(count * gather_s(size, among, links) for size, among, count in self.gathers)

    @property
    def sent_bytes(self) -> float:
        """Bytes that each process sends."""
        reduced = sum(count * sent_by_all_reduce(size, among) for size, among, count in self.all_reduces)
        gathered = sum(count * sent_by_gather(size, among) for size, among, count in self.gathers)
        return reduced + gathered + sum(count * size for size, count in self.messages)
