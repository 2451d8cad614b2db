"""Ways of doing one thing, timed in turn in random order, so that a disturbance meets all of them."""

import random
from collections.abc import Callable, Iterator, Mapping
from statistics import median
from time import perf_counter

Way = Callable[[], Iterator[int]]
"""Starts anew and yields how many samples each piece of work was of."""


def rates(ways: Mapping[str, Way], *, rounds: int, slice_s: float) -> dict[str, list[float]]:
    """Return name -> samples per second in each round, after one round that warms up.

    Args:
        ways: what to compare; each runs on from round to round and starts again where it ends.
        rounds: how often each gets its turn.
        slice_s: seconds of a turn; at least one piece is done.
    """
    shuffle, found = random.Random(0), {name: list[float]() for name in ways}
    running = {name: _endless(way) for name, way in ways.items()}
    names = list(ways)
    for number in range(rounds + 1):
        shuffle.shuffle(names)
        for name in names:
            samples, begin = 0, perf_counter()
            while not samples or perf_counter() - begin < slice_s:
                samples += next(running[name])
            if number:
                found[name].append(samples / (perf_counter() - begin))
    return found


def table(title: str, found: Mapping[str, list[float]], *, against: str) -> list[dict[str, object]]:
    """Print the median rate of each way and its ratio, and return the rows with all rounds."""
    base = found[against]
    print(f"\n{title}")
    rows: list[dict[str, object]] = []
    for name, all_rates in sorted(found.items(), key=lambda pair: -median(pair[1])):
        times = median(one / other for one, other in zip(all_rates, base, strict=True))
        print(f"  {name:44} {median(all_rates):14,.0f} /s   {times:8.2f} x {against}")
        rows.append({"name": name, "median_per_s": median(all_rates), "ratio": times, "per_s": all_rates})
    return rows


def _endless(way: Way) -> Iterator[int]:
    while True:
        yield from way()
