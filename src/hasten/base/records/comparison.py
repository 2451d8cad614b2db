"""What a paired timing found: the record of one comparison, and of the noise that all of them stand in."""

from enum import StrEnum

from hasten.base.records.record import Interval, Record


class Verdict(StrEnum):
    """What is known about the speed of b against a."""

    FASTER = "faster"  # the whole interval lies above 1 + delta
    SLOWER = "slower"  # the whole interval lies below 1 / (1 + delta)
    NO_DIFFERENCE = "no_difference"  # the whole interval lies between the two
    UNCLEAR = "unclear"  # the budget ended before one of the three was certain


class Comparison(Record, frozen=True):
    """How many times faster b is than a, found by timing them in turn.

    `ratio` is the time of a over the time of b for as many samples: 1.2 means that b does in one hour what a does in
    1.2 hours. Its interval holds at whatever moment the comparison stopped (a confidence sequence); its n counts pairs.
    """

    ratio: Interval
    verdict: Verdict
    delta: float  # effects smaller than this share count as none
    pairs: int
    steps_per_block: int
    step_time_a_s: float  # typical time of one step of a
    step_time_b_s: float
    warmup_s: float  # spent before the first pair, compilation included
    spent_s: float  # spent in all
    samples_per_step_a: float = 1.0  # that a step of a advances the training by; 1 where both do the same
    samples_per_step_b: float = 1.0


class NoiseFloor(Record, frozen=True):
    """What the same code timed against itself shows: how small an effect this machine can tell."""

    ratio: Interval  # of the code against itself: 1 on a stable machine
    sigma: float  # robust standard deviation of the log-ratio of one pair
    drift: float  # relative change of the block time from the first third of the pairs to the last
    delta: float  # the smallest effect worth claiming: 1 %, or the half-width of the median's interval if that is more
    stable: bool
    remark: str  # why it is not stable, in plain words; empty where it is
    pairs: int
    steps_per_block: int
    spent_s: float
