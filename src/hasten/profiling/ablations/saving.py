"""Speed-up of the whole step from speed-ups of its pieces."""

from collections.abc import Sequence

from hasten.base.records.record import Interval


def step_without(shares: Sequence[float], ratios: Sequence[Interval]) -> Interval:
    """Return how many times faster a step gets if each piece gets faster by its own ratio (Amdahl).

    The ends of the interval take the ends of all the pieces' intervals together, which is wider than it need be.

    Args:
        shares: of the time of the step, one per piece.
        ratios: how many times faster each piece is.
    """

    def whole(faster: Sequence[float]) -> float:
        saved = sum(share * (1 - 1 / ratio) for share, ratio in zip(shares, faster, strict=True))
        return 1 / (1 - saved)

    return Interval(
        value=whole([ratio.value for ratio in ratios]),
        low=whole([ratio.low for ratio in ratios]),
        high=whole([ratio.high for ratio in ratios]),
        n=min(ratio.n for ratio in ratios),
    )
