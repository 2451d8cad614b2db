"""What a report says, before it has a form: every number is that of the evidence."""

import math
from statistics import median

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hasten.base.records.plan import Choice, Plan
from hasten.base.records.record import Interval
from hasten.base.records.run import StopReason
from hasten.base.records.trial import Tuning
from hasten.report.contents import contents
from hasten.report.findings import tried
from hasten.report.numbers import three_numbers
from hasten.report.past import past_sentence, past_tunings
from hasten.report.saved_time import saved_time
from hasten.report.step_parts import part_rows
from hasten.report.waterfall import gains, left_over_sentence

from sample_evidence import CHOSEN, interval, make_evidence, make_outcome, make_run, make_trials, make_whole_evidence


def tuned(factors: list[float], whole: float | None, half: float = 0.02) -> Tuning:
    choices = tuple(Choice(technique=f"t{place}", gain=interval(one, half)) for place, one in enumerate(factors))
    tuning = make_evidence().tuning
    speedup = interval(whole, half) if whole is not None else None
    return msgspec.structs.replace(tuning, plan=Plan(task="digits", choices=choices), speedup=speedup)


def test_the_three_numbers_have_both_sides_and_an_interval() -> None:
    time, memory, quality = three_numbers(make_whole_evidence())
    assert (time.name, time.words, time.baseline, time.plan) == (
        "time to accuracy 97 %",
        "2.30x faster",
        "240 ms",
        "104 ms",
    )
    assert time.interval == "95 % interval 2.10 to 2.50, n = 3 seeds"
    assert (memory.words, memory.baseline, memory.plan) == ("33 % less", "3.00 MiB", "2.00 MiB")
    assert memory.interval == "95 % interval 0.66 to 0.67, n = 5 steps"
    assert (quality.name, quality.words) == ("best accuracy", "no difference shown")
    assert quality.interval == ("+0.10 points, 95 % interval -0.40 to +0.60, n = 3 seeds; trainings end at the target")


@pytest.mark.parametrize(
    ("low", "high", "higher", "words"),
    [(0.01, 0.02, True, "better"), (0.01, 0.02, False, "worse"), (-0.02, -0.01, True, "worse")],
)
def test_a_difference_in_quality_has_the_direction_of_its_metric(
    low: float, high: float, higher: bool, words: str
) -> None:
    evidence = make_whole_evidence(quality=Interval(value=(low + high) / 2, low=low, high=high, n=3))
    runs = tuple(msgspec.structs.replace(one, higher_is_better=higher) for one in evidence.baseline_runs)
    assert three_numbers(msgspec.structs.replace(evidence, baseline_runs=runs))[2].words == words


@pytest.mark.parametrize(
    ("low", "value", "high", "words"),
    [(0.8, 1.8, 4.2, "no difference shown"), (0.7, 0.8, 0.9, "0.80x as fast"), (1.1, 1.2, 1.3, "1.20x faster")],
)
def test_a_speed_up_whose_interval_holds_1_is_not_claimed(low: float, value: float, high: float, words: str) -> None:
    time, *_ = three_numbers(make_whole_evidence(speedup=Interval(value=value, low=low, high=high, n=3)))
    assert time.words == words
    assert f"{low:.2f} to {high:.2f}" in time.interval


@pytest.mark.parametrize(
    ("value", "low", "high", "words", "interval"),
    [
        (0.83, 0.58, 1.21, "no difference shown", "17 % less, 95 % interval 0.58 to 1.21, n = 5 steps"),
        (1.2, 0.9, 1.6, "no difference shown", "20 % more, 95 % interval 0.90 to 1.60, n = 5 steps"),
        (1.2, 1.1, 1.3, "20 % more", "95 % interval 1.10 to 1.30, n = 5 steps"),
        (1.002, 0.99, 1.01, "the same", "95 % interval 0.99 to 1.01, n = 5 steps"),
    ],
)
def test_memory_is_said_to_differ_only_where_its_interval_says_so(
    value: float, low: float, high: float, words: str, interval: str
) -> None:
    evidence = make_whole_evidence(memory=Interval(value=value, low=low, high=high, n=5))
    _, memory, _ = three_numbers(evidence)
    assert (memory.words, memory.interval) == (words, interval)


def test_without_an_interval_no_number_is_claimed() -> None:
    time, memory, quality = three_numbers(make_evidence(speedup=None))
    assert (time.words, memory.words, quality.words) == ("not proven", "not measured", "not compared")
    assert [one.value for one in (time, memory, quality)] == [None, None, None]


def test_a_baseline_alone_has_its_own_numbers() -> None:
    alone = make_whole_evidence(plan=Plan(task="digits"), speedup=None)
    for one in three_numbers(alone):
        assert (one.plan, one.words) == ("", one.baseline)
    assert three_numbers(make_evidence(plan_runs=(), baseline_runs=())) == ()


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    factors=st.lists(st.floats(0.5, 4.0), min_size=1, max_size=6),
    whole=st.floats(0.5, 8.0),
    half=st.floats(0.001, 0.2),
)
def test_the_bars_multiply_to_the_whole_plan(factors: list[float], whole: float, half: float) -> None:
    *bars, last = gains(tuned(factors, whole, half))
    assert last.start == 1.0
    assert last.end == pytest.approx(whole)
    assert [one.start for one in bars] == pytest.approx([1.0, *(one.end for one in bars[:-1])])
    assert bars[-1].end == pytest.approx(whole)
    assert math.prod(one.ratio.value for one in bars) == pytest.approx(whole)
    for one in (*bars, last):
        assert one.ratio.low <= one.ratio.value <= one.ratio.high
    widths = [math.log(one.ratio.high / one.ratio.low) for one in bars]
    assert widths[-1] >= max(widths[:-1]) * 0.999, "what is left over is less sure than each gain that it comes from"


def test_what_is_left_over_is_explained() -> None:
    assert "no clear difference" in left_over_sentence(gains(tuned([1.5, 1.2], 1.8)))
    assert "t0 and t1 overlap" in left_over_sentence(gains(tuned([1.5, 1.5], 1.6)))
    assert "gains more" in left_over_sentence(gains(tuned([1.1, 1.1], 2.0)))
    assert left_over_sentence(()) == ""


@pytest.mark.parametrize("tuning", [tuned([1.5], None), tuned([], 1.5), tuned([1e-9], 1.5)])
def test_there_are_no_bars_where_a_gain_is_not_known(tuning: Tuning) -> None:
    assert gains(tuning) == ()


def test_the_time_saved_lies_between_the_medians_of_both_sides() -> None:
    evidence = make_whole_evidence()
    saved = saved_time(evidence)
    assert saved is not None
    assert saved.baseline_s == median(run.elapsed_s for run in evidence.baseline_runs)
    assert saved.plan_s == median(run.elapsed_s for run in evidence.plan_runs)
    assert saved.words == "136 ms saved"
    slower = saved_time(make_whole_evidence(plan_runs=evidence.baseline_runs, baseline_runs=evidence.plan_runs))
    assert slower is not None
    assert slower.words == "136 ms lost"


def test_no_time_is_saved_on_the_way_to_what_a_run_never_reached() -> None:
    lost = tuple(make_run(seed, CHOSEN, pace=1, reaches=False) for seed in (1, 2, 3))
    assert saved_time(make_whole_evidence(plan_runs=lost)) is None
    assert saved_time(make_whole_evidence(plan=Plan(task="digits"))) is None
    assert saved_time(make_whole_evidence(level=None)) is None


def test_parts_of_both_sides_are_for_as_many_samples() -> None:
    evidence = make_whole_evidence()
    rows = {row.name: row for row in part_rows(evidence)}
    assert "transfer" not in rows, "it takes no time on either side"
    assert rows["input"].baseline_s == pytest.approx(0.61e-3)
    assert rows["input"].plan_s == pytest.approx(0.03e-3)
    before, after = evidence.in_turn
    larger = msgspec.structs.replace(after, batch_size=128)
    scaled = {row.name: row for row in part_rows(msgspec.structs.replace(evidence, in_turn=(before, larger)))}
    assert scaled["input"].plan_s == pytest.approx(0.015e-3)
    alone = part_rows(msgspec.structs.replace(evidence, in_turn=()))
    assert [row.plan_s for row in alone] == [None] * len(alone)


def test_a_finding_says_what_trying_its_remedies_showed() -> None:
    assert tried(("batched_gather", "compile", "prefetch"), make_trials()) == (
        "batched_gather kept, 1.62x [1.54, 1.70]; compile inconclusive, 1.10x [0.77, 1.43]; prefetch not tried"
    )
    assert tried(("a", "b", "c", "d", "e", "f"), ()).endswith("d not tried; 2 more")
    (row,) = contents(make_whole_evidence()).findings
    assert (row.symptom, row.limit) == ("input_bound", "measured 0.410, the rule fires from 0.100")
    assert row.tried.startswith("batched_gather kept")


def test_the_history_is_told_newest_first_and_judged() -> None:
    history = make_whole_evidence().history
    newest, *_, oldest = past_tunings(history)
    assert (newest.made_at[:10], oldest.made_at[:10]) == ("2025-01-03", "2025-01-01")
    assert newest.words == ("1.90x [1.75, 2.05]", "1.94x [1.88, 2.00]", "2.30x [2.07, 2.53]")
    assert past_tunings(history)[1].words[2] == "not measured"
    assert past_sentence(history) == "In 2 of 3 tunings the expected and the measured interval overlap."
    apart = (make_outcome(1.0, 3.0), make_outcome(3.0, 1.0))
    assert past_sentence(apart).startswith("In 0 of 2 tunings")
    assert past_sentence(()) == ""
    unknown = make_outcome(1.0, 1.0)
    forecast = msgspec.structs.replace(unknown.forecast, expected=None)
    assert past_sentence((msgspec.structs.replace(unknown, forecast=forecast),)) == ""


def test_the_first_screen_says_how_many_techniques_were_kept() -> None:
    assert contents(make_evidence()).kept == "Kept 2 of 5 techniques tried: batched_gather and bf16."
    assert contents(make_evidence(plan=Plan(task="digits"))).kept == "Kept 0 of 5 techniques tried."


def test_a_command_that_is_not_known_is_not_told() -> None:
    names = [fact.name for fact in contents(make_evidence()).facts]
    assert "command" not in names
    told = {fact.name: fact.words for fact in contents(make_whole_evidence()).facts}
    assert told["command"] == "hasten run digits --seeds 3"
    assert told["seeds"].startswith("0, 4711, 1303;")


def test_trainings_that_diverge_still_make_a_report() -> None:
    lost = tuple(
        msgspec.structs.replace(run, reason=StopReason.NON_FINITE, best_metric=None, time_to_target_s=None)
        for run in make_evidence().plan_runs
    )
    time, _, quality = contents(make_whole_evidence(plan_runs=lost, speedup=None, quality=None)).numbers
    assert (time.plan, quality.plan) == ("not reached", "not finite")
