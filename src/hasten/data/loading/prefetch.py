"""Batches made ahead by one thread, so that the step finds them ready.

A thread and not processes: gathers, augmentation and decoding release Python's lock, and a batch of small samples costs
more to send between processes than to make (on two cores worker processes made small samples 1.5 to 13 times slower).
"""

import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Generic, TypeVar

from hasten.data.loading.alone import compute_alone

Item = TypeVar("Item")


@dataclass(frozen=True)
class _End:
    """What comes after the last item: nothing, or the error that ended the stream."""

    error: BaseException | None = None


@dataclass
class _Ring(Generic[Item]):
    """What producer and consumer share."""

    ready: SimpleQueue[Item | _End]
    free: threading.Semaphore  # places for items that are ready
    left: bool = False  # set once nobody wants more


def prefetched(stream: Iterator[Item], depth: int) -> Generator[Item]:
    """Yield the items of a stream that a thread of its own runs ahead of the consumer.

    The thread starts with the first item that is asked for and has ended when the generator is exhausted or closed. An
    error of the stream is raised in its place, after the items before it.

    Args:
        stream: runs wholly in the thread, also its closing.
        depth: items that may be ready at once, at least 1.
    """
    ring = _Ring[Item](SimpleQueue(), threading.Semaphore(depth))
    producer = threading.Thread(target=_produce, args=(stream, ring), name="hasten-prefetch", daemon=True)
    producer.start()
    try:
        while not isinstance(item := ring.ready.get(), _End):
            ring.free.release()
            yield item
        if item.error is not None:
            raise item.error
    finally:
        ring.left = True
        ring.free.release()
        producer.join()


def _produce(stream: Iterator[Item], ring: _Ring[Item]) -> None:
    try:
        compute_alone()
        while _place_free(ring):
            ring.ready.put(next(stream))
    except StopIteration:
        ring.ready.put(_End())
    except BaseException as error:  # noqa: BLE001  (raised again where the items are used)
        ring.ready.put(_End(error))
    finally:
        if isinstance(stream, Generator):
            stream.close()


def _place_free(ring: _Ring[Item]) -> bool:
    ring.free.acquire()
    return not ring.left
