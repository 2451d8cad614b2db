"""The plan is pruned, and proven until it is, or shortened."""

from typing import Any

import msgspec
import pytest

from hasten.base.records.comparison import Comparison
from hasten.base.records.comparison import Verdict as Speed
from hasten.base.records.record import Interval
from hasten.base.records.trial import Trial, Verdict
from hasten.training.recipe import baseline
from hasten.tuning import selection
from hasten.tuning.context import Laboratory, open_laboratory
from hasten.tuning.experiment import blank, judged

from planted import MACHINE, HalfTheWork, NoPause, Nothing, small_task

pytestmark = pytest.mark.usefixtures("planted")

ONES = (NoPause(), HalfTheWork(), Nothing())


def comparison(value: float, *, pairs: int = 20, delta: float = 0.02) -> Comparison:
    spread = 1.001 if pairs >= 8 else 1000.0
    low, high = value / spread, value * spread
    verdict = Speed.FASTER if low > 1 + delta else Speed.SLOWER if high < 1 - delta else Speed.UNCLEAR
    return Comparison(
        ratio=Interval(value=value, low=low, high=high, n=pairs), verdict=verdict, delta=delta, pairs=pairs,
        steps_per_block=3, step_time_a_s=0.02, step_time_b_s=0.02 / value, warmup_s=0.0, spent_s=1.0,
    )  # fmt: skip


def lab_and_plan(monkeypatch: pytest.MonkeyPatch, gains: dict[str, float]) -> tuple[Laboratory, selection.Kept]:
    lab = open_laboratory(baseline(small_task()), MACHINE, budget_s=1000.0)
    lab.step_s, lab.pair_s = 0.02, 0.1

    def compared(lab: Laboratory, base: Any, plan: Any, *, budget_s: float) -> Comparison:
        (one,) = set(plan) - set(base)
        return comparison(gains[one.card.name])

    monkeypatch.setattr(selection, "compared", compared)
    kept = {one: msgspec.structs.replace(blank(one, Verdict.KEPT, ""), speedup=None) for one in ONES}
    return lab, kept


def prove_only(monkeypatch: pytest.MonkeyPatch, lab: Laboratory, good: set[frozenset[Any]]) -> list[frozenset[Any]]:
    asked: list[frozenset[Any]] = []

    def proven(lab: Laboratory, plan: Any, trial: Trial) -> Trial:
        asked.append(frozenset(plan))
        if frozenset(plan) in good:
            lab.proven.add(frozenset(plan))
            return trial
        return msgspec.structs.replace(trial, verdict=Verdict.INACCURATE)

    monkeypatch.setattr(selection, "proven", proven)
    return asked


def test_after_a_failed_proof_the_rest_is_proven_or_dropped_too(monkeypatch: pytest.MonkeyPatch) -> None:
    lab, plan = lab_and_plan(monkeypatch, {one.card.name: 1.5 for one in ONES})
    asked = prove_only(monkeypatch, lab, {frozenset(ONES[:1])})
    dropped = [trial.technique for trial in selection._prune(lab, plan, share=1.0) if trial.verdict is not Verdict.KEPT]
    assert asked == [frozenset(ONES), frozenset(ONES[:2]), frozenset(ONES[:1])]
    assert dropped == ["nothing", "half_the_work"]
    assert tuple(plan) == ONES[:1]


def test_a_plan_of_which_nothing_is_proven_ends_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    lab, plan = lab_and_plan(monkeypatch, {one.card.name: 1.5 for one in ONES})
    prove_only(monkeypatch, lab, set())
    list(selection._prune(lab, plan, share=1.0))
    assert plan == {}


@pytest.mark.parametrize(("gain", "stays"), [(1.03, True), (1.015, False), (0.9, False)])
def test_what_adds_less_than_the_detection_threshold_is_left_out(
    monkeypatch: pytest.MonkeyPatch, gain: float, stays: bool
) -> None:
    lab, plan = lab_and_plan(monkeypatch, {"no_pause": gain, "half_the_work": 1.5, "nothing": 1.5})
    lab.proven |= {frozenset(ONES), frozenset(ONES[1:])}
    list(selection._prune(lab, plan, share=1.0))
    assert (ONES[0] in plan) is stays


def test_too_few_pairs_are_not_a_measurement() -> None:
    trial = judged(NoPause(), (), comparison(0.18, pairs=3))
    assert trial.verdict is Verdict.INCONCLUSIVE
    assert trial.speedup is None
    assert trial.reason == "not measured: the budget ended after 3 of at least 8 pairs"
