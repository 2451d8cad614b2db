"""Time that sending takes: messages, and the collectives of one step, over links of one or two speeds.

A group of processes is told by how many they are and by how much the numbers of two neighbors differ (`apart`). So many
groups lie beside each other and send at the same time. Nodes have consecutive numbers: groups whose numbers lie close
together are inside of one.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from hasten.base.records.layout import Links


def message_s(size_bytes: float, links: Links, *, between_nodes: bool = False) -> float:
    """Return the seconds until a message has arrived."""
    if between_nodes and links.nodes is not None:
        return links.nodes.latency_s + size_bytes / min(links.bytes_per_s, links.nodes.bytes_per_s)
    return links.latency_s + size_bytes / links.bytes_per_s


def all_reduce_s(size_bytes: float, processes: int, links: Links, apart: int = 1) -> float:
    """Return the seconds of an all-reduce: by a ring, or by two trees where latency dominates.

    Over several nodes the ring and the trees have the latency and the bandwidth of the slowest link. Or parts are added
    up inside of each node first, each process then adds up one part with those of other nodes, and the parts are
    gathered; the fastest is taken.

    Args:
        size_bytes: of the tensor in each process.
        processes: of a group.
        links: between them.
        apart: difference of the numbers of two neighbors in a group.

    Source: Thakur et al., 2005, doi:10.1177/1094342005051521 (ring); NCCL 2.4 (trees); Cho et al., 2019, BlueConnect
    (nodes).
    """
    return _over_links_s(_all_reduce_s, size_bytes, processes, links, apart, inside=2)


def gather_s(size_bytes: float, processes: int, links: Links, apart: int = 1) -> float:
    """Return the seconds of an all-gather into `size_bytes` by a ring, or of a reduce-scatter of as many.

    Over several nodes by a ring at the speed of the slowest link, or between nodes and inside of them one after the
    other. See `all_reduce_s`.
    """
    return _over_links_s(_gather_s, size_bytes, processes, links, apart, inside=1)


def _over_links_s(
    collective_s: Callable[[float, int, float, float], float],
    size_bytes: float,
    processes: int,
    links: Links,
    apart: int,
    *,
    inside: int,
) -> float:
    """Return the seconds of a collective over links of one or two speeds, the faster of one level and of two.

    Args:
        collective_s: (bytes, processes, latency, bytes per second) -> seconds between equal links.
        size_bytes: of the tensor.
        processes: of a group.
        links: between them.
        apart: difference of the numbers of two neighbors in a group.
        inside: how often processes of a node gather or scatter for the collective of two levels.
    """
    nodes, latency_s, bytes_per_s = links.nodes, links.latency_s, links.bytes_per_s
    together = processes if nodes is None else min(processes, max(1, nodes.devices // apart))
    if nodes is None or together == processes:
        return collective_s(size_bytes, processes, latency_s, bytes_per_s)
    slow = nodes.bytes_per_s / min(apart, nodes.devices)  # of one group: others beside it send as much
    flat_s = collective_s(size_bytes, processes, max(latency_s, nodes.latency_s), min(bytes_per_s, slow))
    own = min(bytes_per_s, slow / together)
    between_s = collective_s(size_bytes / together, processes // together, nodes.latency_s, own)
    return min(flat_s, inside * _gather_s(size_bytes, together, latency_s, bytes_per_s) + between_s)


def _all_reduce_s(size_bytes: float, processes: int, latency_s: float, bytes_per_s: float) -> float:
    """Return the seconds of an all-reduce between equal links."""
    ring = 2 * (processes - 1) * latency_s + sent_by_all_reduce(size_bytes, processes) / bytes_per_s
    trees = 2 * math.ceil(math.log2(processes)) * latency_s + 2 * size_bytes / bytes_per_s
    return min(ring, trees)


def _gather_s(size_bytes: float, processes: int, latency_s: float, bytes_per_s: float) -> float:
    """Return the seconds of a gathering between equal links."""
    return (processes - 1) * latency_s + sent_by_gather(size_bytes, processes) / bytes_per_s


def sent_by_all_reduce(size_bytes: float, processes: int) -> float:
    """Return the bytes that each process sends in an all-reduce: no way to do it sends fewer."""
    return 2 * (processes - 1) / processes * size_bytes


def sent_by_gather(size_bytes: float, processes: int) -> float:
    """Return the bytes that each process sends in an all-gather or a reduce-scatter."""
    return (processes - 1) / processes * size_bytes


@dataclass(frozen=True)
class Collective:
    """Some equal collectives of a step.

    Args:
        size_bytes: of the whole tensor.
        processes: of a group.
        count: how many there are.
        apart: difference of the numbers of two neighbors in a group.
    """

    size_bytes: float
    processes: int
    count: int
    apart: int = 1


@dataclass(frozen=True)
class Communication:
    """What a step sends; `messages` go to neighbors in a pipeline: (bytes, number), of the process that sends most."""

    all_reduces: tuple[Collective, ...] = ()
    gathers: tuple[Collective, ...] = ()
    messages: tuple[tuple[float, int], ...] = ()

    def total_s(self, links: Links) -> float:
        """Return the seconds of all collectives, one after the other; messages are part of a schedule."""
        reduced = sum(
            one.count * all_reduce_s(one.size_bytes, one.processes, links, one.apart) for one in self.all_reduces
        )
        return reduced + sum(
            one.count * gather_s(one.size_bytes, one.processes, links, one.apart) for one in self.gathers
        )

    @property
    def sent_bytes(self) -> float:
        """Bytes that each process sends."""
        reduced = sum(one.count * sent_by_all_reduce(one.size_bytes, one.processes) for one in self.all_reduces)
        gathered = sum(one.count * sent_by_gather(one.size_bytes, one.processes) for one in self.gathers)
        return reduced + gathered + sum(count * size for size, count in self.messages)
