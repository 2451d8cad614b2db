"""Judge kept runs by the rules as they are, and count what was found, what was not, and what is not there."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from scipy.stats import binomtest

from benchmarks.doctor.cases import Case
from benchmarks.doctor.faults.catalog import FAULTS
from benchmarks.doctor.faults.fault import Fault
from benchmarks.doctor.programs import HOSTS
from hasten.base.records.health import Health
from hasten.pipeline.diagnosing import judged


@dataclass(frozen=True)
class Judgment:
    """What the doctor says of a run.

    Args:
        case: that was run.
        named: symptoms of the findings, in the order in which they are told.
        counts: whether it is healthy, wrong by itself, or worse than it would be without its fault; None where that is
            not known.
        failed: why collectors of the doctor failed.
    """

    case: Case
    named: tuple[str, ...]
    counts: bool | None
    failed: tuple[str, ...] = ()

    @property
    def _fault(self) -> Fault:
        return FAULTS[self.case.kind]

    @property
    def found(self) -> bool:
        """Whether the right diagnosis is among the findings."""
        return any(one in self._fault.root + self._fault.right for one in self.named)

    @property
    def first(self) -> bool:
        """Whether the root cause is named first."""
        return bool(self.named) and self.named[0] in self._fault.root

    @property
    def wrong(self) -> tuple[str, ...]:
        """Findings that are neither the right diagnosis nor a consequence of the fault."""
        if self.case.healthy:
            return self.named
        right = self._fault.root + self._fault.right + self._fault.true
        return tuple(one for one in self.named if one not in right)

    @property
    def right(self) -> tuple[str, ...]:
        """Findings that are the right diagnosis."""
        return (
            () if self.case.healthy else tuple(one for one in self.named if one in self._fault.root + self._fault.right)
        )


def judge(health: Health | None) -> tuple[str, ...]:
    """Return the symptoms that the rules name, in order; none where the doctor saw no step."""
    return () if health is None else tuple(one.symptom for one in judged(health).findings)


def share(right: int, n: int) -> dict[str, Any]:
    """Return a share with its exact (Clopper-Pearson) and Wilson intervals of 95 %."""
    if not n:
        return {"right": 0, "n": 0}
    test = binomtest(right, n)
    exact, wilson = test.proportion_ci(0.95, "exact"), test.proportion_ci(0.95, "wilson")
    return {
        "right": right,
        "n": n,
        "share": round(right / n, 4),
        "clopper_pearson": [round(float(exact.low), 4), round(float(exact.high), 4)],
        "wilson": [round(float(wilson.low), 4), round(float(wilson.high), 4)],
    }


def shares(judgments: Sequence[Judgment]) -> dict[str, Any]:
    """Return recall, root cause first, precision, and false alarms of some runs."""
    ill = [one for one in judgments if not one.case.healthy]
    well = [one for one in judgments if one.case.healthy]
    right = sum(len(one.right) for one in ill)
    wrong = sum(len(one.wrong) for one in judgments)
    return {
        "recall": share(sum(one.found for one in ill), len(ill)),
        "root_first": share(sum(one.first for one in ill), len(ill)),
        "precision": share(right, right + wrong),
        "false_alarms": share(sum(bool(one.named) for one in well), len(well)),
    }


def summary(judgments: Sequence[Judgment]) -> dict[str, Any]:
    """Return the score of all runs; faults that are not known to hurt are counted apart."""
    counted = [one for one in judgments if one.counts]
    by_kind = _grouped((one for one in counted if not one.case.healthy), lambda one: one.case.kind)
    by_host = _grouped((one for one in counted if one.case.program in HOSTS), lambda one: one.case.program)
    return {
        "kinds": len(by_kind),
        "faulty_runs": sum(not one.case.healthy for one in counted),
        "healthy_runs": sum(one.case.healthy for one in counted),
        "harmless_runs": sum(one.counts is False for one in judgments),
        "not_known_to_hurt": sum(one.counts is None for one in judgments),
        "all": shares(counted),
        "seen": shares([one for one in counted if one.case.seen]),
        "held_out": shares([one for one in counted if not one.case.seen]),
        "by_kind": {kind: shares(some) for kind, some in sorted(by_kind.items())},
        "by_host": {host: shares(some) for host, some in sorted(by_host.items())},
        "doses": _doses(judgments),
        "misses": {one.case.name: list(one.named) for one in counted if not one.case.healthy and not one.found},
        "not_first": {
            one.case.name: list(one.named) for one in counted if not one.case.healthy and one.found and not one.first
        },
        "wrong": Counter(symptom for one in counted for symptom in one.wrong).most_common(),
        "alarms": {one.case.name: list(one.named) for one in counted if one.case.healthy and one.named},
        "collectors_failed": {one.case.name: list(one.failed) for one in judgments if one.failed},
        "wrong_beside": {one.case.name: list(one.wrong) for one in counted if not one.case.healthy and one.wrong},
    }


def _doses(judgments: Sequence[Judgment]) -> dict[str, dict[str, Any]]:
    """Return for each fault with doses, in each host, the mildest that is found and the mildest that hurts."""
    told: dict[str, dict[str, Any]] = {}
    dosed = [one for one in judgments if not one.case.healthy and len(FAULTS[one.case.kind].doses) > 1]
    for (kind, host), some in sorted(_grouped(dosed, lambda one: (one.case.kind, one.case.program)).items()):
        mild_first = sorted(some, key=lambda one: FAULTS[kind].doses.index(one.case.dose))
        told.setdefault(kind, {})[host] = {
            "mildest_found": next((one.case.dose for one in mild_first if one.found), None),
            "mildest_that_hurts": next((one.case.dose for one in mild_first if one.counts), None),
        }
    return told


def _grouped(judgments: Iterable[Judgment], key: Callable[[Judgment], Any]) -> dict[Any, list[Judgment]]:
    groups: dict[Any, list[Judgment]] = defaultdict(list)
    for one in judgments:
        groups[key(one)].append(one)
    return groups
