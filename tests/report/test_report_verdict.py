import msgspec
import pytest

from hasten.base.records.interval import Interval
from hasten.base.records.plan import Plan
from hasten.base.records.trial import Verdict
from hasten.report.verdict import Tone, judge, time_ratio

from sample_evidence import CHOSEN, make_evidence, make_run


def speedup(value: float, low: float, high: float, n: int = 3) -> Interval:
    return Interval(value=value, low=low, high=high, n=n)


def test_faster() -> None:
    judgement = judge(make_evidence())
    assert judgement.sentence == "2.30× [2.10, 2.50] as fast to accuracy 97 %, n = 3 seeds."
    assert judgement.tone is Tone.BETTER
    assert any("95 % interval" in detail for detail in judgement.details)
    assert any("1.94× [1.88, 2.00] as fast, n = 30 pairs" in detail for detail in judgement.details)


def test_no_difference() -> None:
    judgement = judge(make_evidence(speedup=speedup(1.02, 0.97, 1.08)))
    assert judgement.sentence.startswith("No difference proven: with the plan 1.02× [0.97, 1.08] as fast")
    assert judgement.tone is Tone.SAME


def test_slower_says_so_and_what_to_do() -> None:
    judgement = judge(make_evidence(speedup=speedup(0.8, 0.7, 0.9)))
    assert judgement.sentence.startswith("Slower: with the plan only 0.80× [0.70, 0.90] as fast to accuracy 97 %")
    assert judgement.sentence.endswith("Train without it.")
    assert judgement.tone is Tone.WORSE


def test_no_technique_helped() -> None:
    evidence = make_evidence(plan=Plan(task="digits"))
    clear = tuple(trial for trial in evidence.tuning.trials if trial.verdict is Verdict.SLOWER)
    tuning = msgspec.structs.replace(evidence.tuning, trials=clear)
    judgement = judge(msgspec.structs.replace(evidence, tuning=tuning))
    assert judgement.sentence == "No technique helped: the plain training stays."
    assert judgement.tone is Tone.SAME
    assert judgement.details[0] == "1 technique looked at: 1 slower. Each one's reason stands beside its name."
    assert "what differs between their times is noise" in judgement.details[1]


def test_a_budget_that_ended_too_early_is_not_called_no_help() -> None:
    judgement = judge(make_evidence(plan=Plan(task="digits"), plan_runs=()))
    assert judgement.sentence == "No technique was proven to help within the budget: the plain training stays."
    assert judgement.tone is Tone.UNKNOWN
    assert len(judgement.details) == 1
    assert "2 kept, 1 no difference, 1 inconclusive, 1 slower, 1 not applicable, 1 not allowed" in judgement.details[0]


def test_neither_side_reached_the_target() -> None:
    missed = {"plan_runs": (make_run(0, CHOSEN, pace=1, reaches=False),)}
    missed["baseline_runs"] = (make_run(0, (), pace=2, reaches=False),)
    judgement = judge(make_evidence(speedup=None, **missed))
    assert judgement.sentence == "Neither side reached accuracy 97 %, so there are no times to compare."
    assert judgement.tone is Tone.UNKNOWN


@pytest.mark.parametrize(("plan_reaches", "tone"), [(True, Tone.BETTER), (False, Tone.WORSE)])
def test_one_side_reached_the_target(plan_reaches: bool, tone: Tone) -> None:
    judgement = judge(
        make_evidence(
            speedup=None,
            plan_runs=(make_run(0, CHOSEN, pace=1, reaches=plan_reaches),),
            baseline_runs=(make_run(0, (), pace=2, reaches=not plan_reaches),),
        )
    )
    reached = (1, 0) if plan_reaches else (0, 1)
    assert "no times to compare" in judgement.sentence.lower()
    assert f"by the plan in {reached[0]} of 1 run, by the baseline in {reached[1]} of 1" in judgement.sentence
    assert judgement.tone is tone


def test_one_seed_is_an_indication() -> None:
    one = {"plan_runs": (make_run(0, CHOSEN, pace=1),), "baseline_runs": (make_run(0, (), pace=2),)}
    judgement = judge(make_evidence(speedup=None, **one))
    assert judgement.sentence == "2.00× as fast to accuracy 97 %, but with one seed: an indication, not yet a proof."
    assert judgement.tone is Tone.UNKNOWN


def test_an_interrupted_comparison_has_no_verdict() -> None:
    judgement = judge(make_evidence(plan_runs=(), baseline_runs=(), speedup=None))
    assert judgement.sentence.startswith("There is no verdict")
    assert judgement.tone is Tone.UNKNOWN


def test_pairs_that_missed_the_target_are_told() -> None:
    evidence = make_evidence(speedup=speedup(2.3, 2.1, 2.5, n=2))
    missed = make_run(1303, CHOSEN, pace=0.013, reaches=False)
    judgement = judge(msgspec.structs.replace(evidence, plan_runs=(*evidence.plan_runs[:2], missed)))
    assert any(
        "Only the 2 of 3 pairs" in detail and "plan missed it 1 time, the baseline 0 times" in detail
        for detail in judgement.details
    )


def test_without_a_target_whole_trainings_are_compared_and_it_is_said() -> None:
    evidence = make_evidence()
    free = tuple(msgspec.structs.replace(run, target=None) for run in evidence.plan_runs)
    judgement = judge(msgspec.structs.replace(evidence, plan_runs=free))
    assert "as fast through the whole training" in judgement.sentence
    assert any("no target" in detail for detail in judgement.details)


def test_the_ratio_of_one_pair() -> None:
    plan, baseline = make_run(0, CHOSEN, pace=1.0), make_run(0, (), pace=3.0)
    assert time_ratio(baseline, plan) == pytest.approx(3.0)
    assert time_ratio(make_run(0, (), pace=3.0, reaches=False), plan) is None
    free = msgspec.structs.replace(plan, target=None, time_to_target_s=None)
    assert time_ratio(baseline, free) == pytest.approx(3.0)
