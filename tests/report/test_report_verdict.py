import msgspec
import pytest

from hasten.base.records.plan import Plan
from hasten.base.records.record import Interval
from hasten.base.records.run import StopReason
from hasten.base.records.trial import Verdict
from hasten.report.contents import contents
from hasten.report.html import page
from hasten.report.markdown import text
from hasten.report.verdict import Tone, judge, time_ratio

from sample_evidence import CHOSEN, make_evidence, make_run


def speedup(value: float, low: float, high: float, n: int = 3) -> Interval:
    return Interval(value=value, low=low, high=high, n=n)


def test_faster() -> None:
    judgment = judge(make_evidence())
    assert judgment.sentence == "2.30x faster [2.10, 2.50] to accuracy 97 %, n = 3 seeds."
    assert judgment.tone is Tone.BETTER
    assert any("95 % confidence interval" in detail for detail in judgment.details)
    assert any("1.94x faster [1.88, 2.00], n = 30 pairs" in detail for detail in judgment.details)


def test_no_difference() -> None:
    judgment = judge(make_evidence(speedup=speedup(1.02, 0.97, 1.08)))
    assert judgment.sentence.startswith("No difference: the plan is 1.02x as fast [0.97, 1.08] to accuracy 97 %")
    assert judgment.tone is Tone.SAME


def test_slower_says_so_and_what_to_do() -> None:
    judgment = judge(make_evidence(speedup=speedup(0.8, 0.7, 0.9)))
    assert judgment.sentence.startswith("Slower: the plan is 0.80x as fast [0.70, 0.90] to accuracy 97 %")
    assert judgment.sentence.endswith("Train without it.")
    assert judgment.tone is Tone.WORSE


def test_no_technique_helped() -> None:
    evidence = make_evidence(plan=Plan(task="digits"))
    clear = tuple(trial for trial in evidence.tuning.trials if trial.verdict is Verdict.SLOWER)
    tuning = msgspec.structs.replace(evidence.tuning, trials=clear)
    judgment = judge(msgspec.structs.replace(evidence, tuning=tuning))
    assert judgment.sentence == "No technique was faster. Keeping the baseline."
    assert judgment.tone is Tone.SAME
    assert judgment.details[0] == "1 technique considered: 1 slower."
    assert len(judgment.details) == 1


def test_without_a_plan_the_report_is_of_one_side() -> None:
    evidence = make_evidence(plan=Plan(task="digits"))
    said = contents(evidence)
    assert {course.side for course in said.courses} == {"baseline"}
    lines = text(said).splitlines()
    assert "|  | baseline |  |" in lines
    assert "|  | baseline |" in lines
    assert "|  | baseline | plan |" not in lines
    assert (
        "plan</th>" not in page(said, evidence.profile).partition('<table class="sides">')[2].partition("</table>")[0]
    )


def test_a_budget_that_ended_too_early_is_not_called_no_help() -> None:
    judgment = judge(make_evidence(plan=Plan(task="digits"), plan_runs=()))
    assert judgment.sentence == "Inconclusive: no technique was proven faster within the budget. Keeping the baseline."
    assert judgment.tone is Tone.UNKNOWN
    assert len(judgment.details) == 1
    assert "2 kept, 1 no difference, 1 inconclusive, 1 slower, 1 not applicable, 1 not allowed" in judgment.details[0]


def test_neither_side_reached_the_target() -> None:
    missed = {"plan_runs": (make_run(0, CHOSEN, pace=1, reaches=False),)}
    missed["baseline_runs"] = (make_run(0, (), pace=2, reaches=False),)
    judgment = judge(make_evidence(speedup=None, **missed))
    assert judgment.sentence == "Neither side reached accuracy 97 %: no times to compare."
    assert judgment.tone is Tone.UNKNOWN


@pytest.mark.parametrize(("plan_reaches", "tone"), [(True, Tone.BETTER), (False, Tone.WORSE)])
def test_one_side_reached_the_target(plan_reaches: bool, tone: Tone) -> None:
    judgment = judge(
        make_evidence(
            speedup=None,
            plan_runs=(make_run(0, CHOSEN, pace=1, reaches=plan_reaches),),
            baseline_runs=(make_run(0, (), pace=2, reaches=not plan_reaches),),
        )
    )
    reached = (1, 0) if plan_reaches else (0, 1)
    assert "no times to compare" in judgment.sentence.lower()
    assert (
        f"The plan reached accuracy 97 % in {reached[0]} of 1 run, the baseline in {reached[1]} of 1"
        in judgment.sentence
    )
    assert judgment.tone is tone


def test_one_seed_is_an_indication() -> None:
    one = {"plan_runs": (make_run(0, CHOSEN, pace=1),), "baseline_runs": (make_run(0, (), pace=2),)}
    judgment = judge(make_evidence(speedup=None, **one))
    assert judgment.sentence.startswith("Inconclusive: one pair of trainings to accuracy 97 %")
    assert judgment.tone is Tone.UNKNOWN


def test_an_interrupted_comparison_has_no_verdict() -> None:
    judgment = judge(make_evidence(plan_runs=(), baseline_runs=(), speedup=None))
    assert judgment.sentence.startswith("No verdict: comparison runs did not finish")
    assert judgment.tone is Tone.UNKNOWN


def test_pairs_that_missed_the_target_are_told() -> None:
    evidence = make_evidence(speedup=speedup(2.3, 2.1, 2.5, n=2))
    missed = make_run(1303, (), pace=0.013, reaches=False)
    judgment = judge(msgspec.structs.replace(evidence, baseline_runs=(*evidence.baseline_runs[:2], missed)))
    assert judgment.tone is Tone.BETTER
    assert any(
        "Only the 2 of 3 pairs" in detail and "plan missed it 0 times, the baseline 1 time" in detail
        for detail in judgment.details
    )


def test_a_plan_that_misses_the_target_is_never_faster() -> None:
    evidence = make_evidence(speedup=speedup(2.3, 2.1, 2.5, n=2))
    missed = make_run(1303, CHOSEN, pace=0.013, reaches=False)
    judgment = judge(msgspec.structs.replace(evidence, plan_runs=(*evidence.plan_runs[:2], missed)))
    assert judgment.tone is Tone.WORSE
    assert "in 2 of 3 runs, the baseline in 3 of 3" in judgment.sentence


@pytest.mark.parametrize("target", [0.97, None])
def test_a_plan_that_diverges_is_never_faster(target: float | None) -> None:
    """Trainings that stop at a NaN are short: their times are no speed-up."""
    evidence = make_evidence(speedup=speedup(4.37, 2.54, 7.53))
    lost = tuple(
        msgspec.structs.replace(run, reason=StopReason.NON_FINITE, steps=54, target=target)
        for run in evidence.plan_runs
    )
    judgment = judge(msgspec.structs.replace(evidence, plan_runs=lost))
    assert judgment.sentence == "The plan diverged in 3 of 3 trainings: loss not finite at step 54. Train without it."
    assert judgment.tone is Tone.WORSE


@pytest.mark.parametrize(("low", "high"), [(0.53, 2.54), (0.19, 4.99), (0.0, 1000.0)])
def test_a_wide_interval_is_inconclusive(low: float, high: float) -> None:
    judgment = judge(make_evidence(speedup=speedup(1.16, low, high)))
    assert judgment.sentence.startswith("Inconclusive")
    assert judgment.tone is Tone.UNKNOWN
    assert "1000" not in judgment.sentence


def test_without_a_target_whole_trainings_are_compared_and_it_is_said() -> None:
    evidence = make_evidence()
    free = tuple(msgspec.structs.replace(run, target=None) for run in evidence.plan_runs)
    judgment = judge(msgspec.structs.replace(evidence, plan_runs=free))
    assert "[2.10, 2.50] over the whole training" in judgment.sentence
    assert any("no target" in detail for detail in judgment.details)


def test_the_ratio_of_one_pair() -> None:
    plan, baseline = make_run(0, CHOSEN, pace=1.0), make_run(0, (), pace=3.0)
    assert time_ratio(baseline, plan) == pytest.approx(3.0)
    assert time_ratio(make_run(0, (), pace=3.0, reaches=False), plan) is None
    free = msgspec.structs.replace(plan, target=None, time_to_target_s=None)
    assert time_ratio(baseline, free) == pytest.approx(3.0)


def test_a_target_that_runs_missed_is_replaced_by_what_all_reached_and_equal_steps_are_said() -> None:
    evidence = make_evidence(speedup=speedup(1.2, 1.1, 1.3, n=3))
    missed = {
        "plan_runs": tuple(make_run(seed, CHOSEN, pace=1, reaches=False) for seed in (1, 2, 3)),
        "baseline_runs": tuple(make_run(seed, (), pace=2, reaches=False) for seed in (1, 2, 3)),
    }
    best = min(run.best_metric for runs in missed.values() for run in runs)
    judgment = judge(msgspec.structs.replace(evidence, level=best, **missed))
    assert f"to accuracy {100 * best:.4g} %" in judgment.sentence
    assert any("Not every run reached accuracy 97 %" in detail for detail in judgment.details)
    assert any("the same number of steps" in detail for detail in judgment.details)
