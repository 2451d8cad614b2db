"""How often the 95 % interval of paired timings misses the truth, looked at after every pair, for noise of many shapes.

    python benchmarks/interval_coverage.py

Writes `results/interval_coverage.json`: for each kind of noise the share of sequences that exclude the true center at
any of 500 looks, with its standard error, and beside it the same for Student's t interval; and how many pairs it takes
to see an effect of 1, 2 and 3 standard deviations. About 3 minutes on one core.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmarks.recording import record
from hasten.measurement.confidence_sequence import ConfidenceSequence

LOOKS = 500
SEQUENCES = 2000
SIGMA = 0.02
Readings = NDArray[np.float64]
Rng = np.random.Generator


def _normal(rng: Rng) -> Readings:
    return rng.normal(0.0, SIGMA, LOOKS)


def _hiccups(share: float) -> Callable[[Rng], Readings]:
    """Normal, and in a share of the pairs side a takes up to ten standard deviations longer."""
    return lambda rng: _normal(rng) + np.where(rng.random(LOOKS) < share, 10 * SIGMA * rng.random(LOOKS), 0.0)


def _median(draw: Callable[[Rng], Readings]) -> float:
    return float(np.median([draw(np.random.default_rng([1, index])) for index in range(1000)]))


NOISES: dict[str, tuple[Callable[[Rng], Readings], float]] = {
    "normal": (_normal, 0.0),
    "Cauchy": (lambda rng: SIGMA * rng.standard_cauchy(LOOKS), 0.0),
    "fair sign, drifting size": (
        lambda rng: rng.choice([-1.0, 1.0], LOOKS) * 0.01 * np.exp(np.cumsum(rng.normal(0, 0.1, LOOKS))),
        0.0,
    ),
    "exponential, for the median": (lambda rng: rng.exponential(SIGMA, LOOKS), SIGMA * math.log(2)),
    "log-normal, for the median": (lambda rng: SIGMA * rng.lognormal(0.0, 1.0, LOOKS), SIGMA),
    **{f"hiccups of one side in {share:.0%} of pairs, for the undisturbed value": (_hiccups(share), 0.0)
       for share in (0.02, 0.05, 0.1, 0.2)},
    **{f"hiccups of one side in {share:.0%} of pairs, for the median": (_hiccups(share), _median(_hiccups(share)))
       for share in (0.1, 0.2, 0.3)},
}  # fmt: skip


def missed(draw: Callable[[Rng], Readings], center: float) -> tuple[float, float]:
    """Return the shares of sequences that exclude the center at any look: ours, and Student's t from 8 readings on."""
    ours, students = 0, 0
    n = np.arange(1, LOOKS + 1)
    quantile = np.concatenate([[math.inf], stats.t.ppf(0.975, n[1:] - 1)])
    for index in range(SEQUENCES):
        readings = draw(np.random.default_rng([7, index]))
        ours += _excludes(readings, center)
        mean = np.cumsum(readings) / n
        variance = np.maximum(np.cumsum(readings**2) - n * mean**2, 1e-12) / np.maximum(n - 1, 1)
        students += bool((np.abs(mean - center) > quantile * np.sqrt(variance / n))[7:].any())
    return ours / SEQUENCES, students / SEQUENCES


def _excludes(readings: Readings, center: float) -> bool:
    sequence = ConfidenceSequence()
    for reading in readings:
        sequence.add(float(reading))
        low, high = sequence.bounds()
        if not low <= center <= high:
            return True
    return False


def pairs_to_see(effect: float) -> float:
    """Return the median number of pairs until an effect of so many standard deviations excludes zero."""
    needed: list[int] = []
    for index in range(300):
        sequence, rng = ConfidenceSequence(), np.random.default_rng([9, index])
        while sequence.bounds()[0] <= 0:
            sequence.add(float(rng.normal(effect * SIGMA, SIGMA)))
        needed.append(len(sequence))
    return float(np.median(needed))


def main() -> None:
    """Measure, print and record."""
    rows: list[dict[str, object]] = []
    for name, (draw, center) in NOISES.items():
        ours, students = missed(draw, center)
        error = math.sqrt(ours * (1 - ours) / SEQUENCES)
        rows.append({"noise": name, "missed": ours, "standard_error": error, "missed_by_t": students})
        print(f"{name:70} missed {ours:.2%} ±{error:.2%}; Student's t {students:.0%}")
    seen = {f"{effect} sigma": pairs_to_see(effect) for effect in (1, 2, 3)}
    print(f"pairs until an effect is seen: {seen}")
    record("interval_coverage", {"looks": LOOKS, "sequences": SEQUENCES, "rows": rows, "pairs_to_see": seen})


if __name__ == "__main__":
    main()
