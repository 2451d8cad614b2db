"""Does a fault hurt? Faulty against fixed, from the same seeds, by a one-sided sign-flip test.

`results/doctor_hurts.json` keeps all pairs that were ever run, so that they are not run again until a program changes.
"""

import itertools
import math
import traceback
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

import msgspec

from benchmarks.doctor.cases import HEALTHY, Case, digest
from benchmarks.doctor.faults.catalog import FAULTS
from benchmarks.doctor.keeping import keep, kept_at
from benchmarks.doctor.programs import trained
from benchmarks.doctor.running import kept, written
from benchmarks.recording import RESULTS, record, recorded
from hasten.base.records.record import Record

PAIRS = 5
"""Pairs of runs. All five worse is p = 1/32; fewer than five can never be below 0.05."""
LEVEL = 0.05
_RESULT = "doctor_hurts"


class Hurt(Record, frozen=True):
    """The paired runs of one fault in one host at one dose."""

    digests: tuple[int, int]  # of the fixed and the faulty program
    fixed: tuple[float | None, ...]  # quality of each seed; None where it is not finite
    faulty: tuple[float | None, ...]
    p: float

    @property
    def hurts(self) -> bool:
        """Whether the faulty runs are worse than chance allows."""
        return self.p < LEVEL


def sign_flip_p(differences: Sequence[float]) -> float:
    """Return the one-sided p-value of differences that would be symmetric around 0 if there were no effect.

    Args:
        differences: fixed minus faulty, one for each seed; infinite where the faulty run was not finite.
    """
    largest = max((abs(one) for one in differences if math.isfinite(one)), default=1.0) or 1.0
    values = [math.copysign(1e3 * largest, one) if math.isinf(one) else one for one in differences]
    seen = sum(values)
    flips = list(itertools.product((1, -1), repeat=len(values)))
    reached = sum(
        sum(sign * one for sign, one in zip(signs, values, strict=True)) >= seen - 1e-12 * largest for signs in flips
    )
    return reached / len(flips)


def hurt(case: Case, room: Path) -> Hurt:
    """Return whether a fault makes its host worse, from kept runs where there are.

    It ends at the first pair that is no worse: then five pairs cannot reach the level.
    """
    known = kept_hurt(case, room)
    if known is not None:
        return known
    fixed: list[float] = []
    faulty: list[float] = []
    for seed in range(PAIRS):
        fixed.append(_plain_quality(Case(HEALTHY, case.program, seed=seed), room))
        faulty.append(_quality(Case(case.kind, case.program, case.dose, seed), room))
        if not fixed[-1] > faulty[-1]:
            break
    whole = len(fixed) == PAIRS and fixed[-1] > faulty[-1]
    p = sign_flip_p([one - other for one, other in zip(fixed, faulty, strict=True)]) if whole else 1.0
    found = Hurt(digests=_digests(case), fixed=_finite(fixed), faulty=_finite(faulty), p=p)
    keep(found, _path(case, room))
    return found


def kept_hurt(case: Case, room: Path) -> Hurt | None:
    """Return the paired runs of a fault, of the room or recorded; None where there are none, or a program changed."""
    digests = _digests(case)
    both = (kept_at(_path(case, room), Hurt), _recorded().get(_name(case)))
    return next((one for one in both if one is not None and one.digests == digests), None)


def record_pairs(cases: Iterable[Case], room: Path) -> Path:
    """Record what is known of the cases, beside what the result holds of others, and return its path."""
    known = {_name(case): kept_hurt(case, room) for case in cases}
    found = _recorded() | {name: one for name, one in known.items() if one is not None}
    _recorded.cache_clear()
    return record(_RESULT, {"pairs": dict(sorted(found.items()))})


@cache
def _recorded() -> dict[str, Hurt]:
    if not (RESULTS / f"{_RESULT}.json").exists():
        return {}
    return msgspec.convert(recorded(_RESULT)["pairs"], dict[str, Hurt])


def counts(case: Case, room: Path) -> bool | None:
    """Return whether a case counts: it is healthy, wrong by itself, or known to hurt; None where that is not known."""
    if case.healthy or FAULTS[case.kind].structural:
        return True
    paired = kept_hurt(case, room)
    return None if paired is None else paired.hurts


def _path(case: Case, room: Path) -> Path:
    return room / "hurts" / f"{_name(case)}.json"


def _name(case: Case) -> str:
    return f"{case.kind}-{case.program}-{case.dose:g}"


def _digests(case: Case) -> tuple[int, int]:
    return digest(Case(HEALTHY, case.program)), digest(case)


def _plain_quality(case: Case, room: Path) -> float:
    path = room / "plain" / f"{case.program}-{case.seed}-{digest(case)}.json"
    if (found := kept_at(path, float)) is None:
        keep(found := _quality(case, room), path)
    return found


def _quality(case: Case, room: Path) -> float:
    """Return the quality of a run; minus infinity where the program fails. The doctor changes no bit of it."""
    watched = kept(case, room)
    if watched is not None:
        return -math.inf if watched.quality is None else watched.quality
    try:
        return trained(written(case, room), case.seed)
    except Exception:  # a fault may end its program; a healthy program must not fail
        if case.healthy:
            raise
        traceback.print_exc()
        return -math.inf


def _finite(values: Sequence[float]) -> tuple[float | None, ...]:
    return tuple(one if math.isfinite(one) else None for one in values)
