"""The fastest of several ways to fetch, found by fetching."""

from collections.abc import Callable, Generator, Iterator, Mapping
from time import perf_counter

from hasten.base.errors import BadInput
from hasten.base.records.record import Record
from hasten.data.loading.loaders import Fetched

_ROUNDS = 5


class Choice(Record, frozen=True):
    """Which way to fetch was the fastest.

    Args:
        name: of the fastest.
        samples_per_s: of each, by name, fastest first: the median of a few rounds.
    """

    name: str
    samples_per_s: dict[str, float]


def fastest(
    ways: Mapping[str, Callable[[], Iterator[Fetched]]],
    *,
    budget_s: float = 0.8,
    ahead: Mapping[str, int] | None = None,
) -> Choice:
    """Fetch for a while in each way, in turn, so that a disturbance meets all of them, and return the fastest.

    Args:
        ways: name -> starts the fetch of an epoch; started again where it ends. The first batch of each is not timed.
        budget_s: for all of them together; one batch of each is fetched in every round however long it takes.
        ahead: of ways that make batches before they are asked for, how many: in each round so many come untimed, for
            they were made while the others were timed.

    Raises:
        BadInput: if there is no way, or one yields nothing.
    """
    if not ways:
        raise BadInput("there must be at least one way to fetch; found none.")
    rates: dict[str, list[float]] = {name: [] for name in ways}
    running = {name: _endless(start, name) for name, start in ways.items()}
    try:
        for stream in running.values():
            next(stream)
        slice_s = budget_s / (_ROUNDS * len(ways))
        for _ in range(_ROUNDS):
            for name, stream in running.items():
                for _ in range((ahead or {}).get(name, 0)):
                    next(stream)
                samples, begin = 0, perf_counter()
                while not samples or perf_counter() - begin < slice_s:
                    samples += len(next(stream)[0])
                rates[name].append(samples / (perf_counter() - begin))
    finally:
        for stream in running.values():
            stream.close()
    typical = {name: sorted(found)[_ROUNDS // 2] for name, found in rates.items()}
    ordered = dict(sorted(typical.items(), key=lambda pair: -pair[1]))
    return Choice(name=next(iter(ordered)), samples_per_s=ordered)


def _endless(start: Callable[[], Iterator[Fetched]], name: str) -> Generator[Fetched]:
    while True:
        empty = True
        for item in start():
            empty = False
            yield item
        if empty:
            raise BadInput(f"a way to fetch must yield at least one batch; {name!r} yields none.")
