import io
import re
import time
from collections.abc import Iterator

import msgspec
import pytest
from rich.console import Console

from hasten.base.records.comparison import Comparison
from hasten.base.records.comparison import Verdict as Faster
from hasten.base.records.evidence import Evidence, Reported
from hasten.base.records.finding import Abstained, Diagnosis, Finding, Found, Severity
from hasten.base.records.notices import Activity
from hasten.base.records.run import Evaluation, Finished, Progress, Started, StopReason
from hasten.base.records.trial import Verdict
from hasten.report.findings import remedy
from hasten.report.terminal import Screen
from hasten.report.terminal.anatomy import bar
from hasten.report.terminal.progress import PLAIN_EVERY_S, REDRAW_EVERY_S, REDRAW_SHARE
from hasten.report.terminal.training import TrainingLine

from sample_evidence import CHOSEN, interval, make_deep_profile, make_evidence, make_profile, make_run, make_trials

STARTED = Started(task="digits", plan=CHOSEN, seed=0, step=0, total_steps=1000, metric_name="accuracy", target=0.97)


class Paper:
    """A screen that prints into text, with a clock that is moved by hand."""

    def __init__(self, *, width: int = 80, terminal: bool = False, all_trials: bool = False) -> None:
        self.now = 0.0
        self._file = io.StringIO()
        console = Console(file=self._file, width=width, highlight=False, force_terminal=terminal, no_color=True)
        self.screen = Screen(console, clock=lambda: self.now, all_trials=all_trials)

    @property
    def text(self) -> str:
        return self._file.getvalue()

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()


def progress(step: int, elapsed_s: float, losses: tuple[float | None, ...] = (0.5,)) -> Progress:
    return Progress(step=step, epoch=step // 100, elapsed_s=elapsed_s, losses=losses, samples_per_s=45_200.0)


def evaluation(step: int, metric: float | None = 0.961) -> Evaluation:
    return Evaluation(step=step, epoch=1, elapsed_s=1.0, train_loss=0.4, valid_loss=0.5, metric=metric, best=True)


def whole_run(evidence: Evidence) -> Iterator[object]:
    yield evidence.machine
    yield evidence.task
    yield evidence.profile
    yield from evidence.tuning.trials
    yield evidence.tuning
    for pair in zip(evidence.plan_runs, evidence.baseline_runs, strict=True):
        for run in pair:
            yield msgspec.structs.replace(STARTED, plan=run.plan, seed=run.seed)
            yield progress(run.steps, run.elapsed_s)
            yield Finished(reason=run.reason, step=run.steps, epoch=1, elapsed_s=run.elapsed_s)
            yield run
    yield evidence
    yield Reported(path="runs/digits-20250101-120000/report.html")


@pytest.mark.parametrize("width", [80, 140])
def test_a_whole_run_fits_the_width_and_says_everything_in_order(width: int) -> None:
    paper = Paper(width=width)
    with paper.screen as screen:
        for record in whole_run(make_evidence()):
            screen.show(record)
    assert max(map(len, paper.lines)) <= width
    assert "\x1b" not in paper.text, "no color and no cursor movement where nothing can be drawn over"
    flat = re.sub(r"\s+", " ", paper.text)
    order = (
        "Machine",
        "210 GFLOP/s ±1 %",
        "int8 onednn unstable",
        "Task digits",
        "1,437 training and 360 validation samples",
        "Anatomy of a step",
        "1.35 ms [1.33 ms, 1.38 ms], n = 30 blocks",
        "peak memory of a step",
        "input 610 µs 41 %",
        "the step waits for its input",
        "Techniques",
        "batched_gather kept 1.62x [1.54, 1.70], n = 24 pairs",
        "onednn_fp32 slower 0.83x",
        "compile inconclusive 1.10x",
        "1 not applicable",
        "plan: batched_gather and bf16, 1.94x faster [1.88, 2.00], n = 30 pairs",
        "Training",
        "plan seed 0 accuracy 97.2 %",
        "baseline seed 0 accuracy 97.2 %",
        "Baseline against plan",
        "2.30x faster [2.10, 2.50] to accuracy 97 %, n = 3 seeds.",
        "time to accuracy 97 % 240 ms 104 ms 2.30x faster; 95 % interval 2.10 to 2.50, n = 3 seeds",
        "peak memory of a step",
        "best accuracy",
        "Tuning took 24.6 s",
        "report: runs/digits-20250101-120000/report.html",
    )
    place = 0
    for words in order:
        assert words in flat[place:]
        place = flat.index(words, place) + len(words)


@pytest.mark.parametrize("all_trials", [False, True])
def test_every_verdict_of_a_trial_has_a_look(all_trials: bool) -> None:
    paper = Paper(width=140, all_trials=all_trials)
    for trial in make_trials():
        paper.screen.show(trial)
    assert sum("Techniques" in line for line in paper.lines) == 1
    folded = {Verdict.NOT_ALLOWED} if all_trials else {Verdict.NOT_ALLOWED, Verdict.NOT_APPLICABLE}
    shown = [trial for trial in make_trials() if trial.verdict not in folded]
    assert 0 < len(shown) < len(make_trials())
    assert len([line for line in paper.lines if line.startswith("  ")]) == len(shown)


def test_what_does_not_apply_is_one_line_with_a_count_and_a_way_to_see_it() -> None:
    tuning = make_evidence().tuning
    folded, unfolded = Paper(width=140), Paper(width=140, all_trials=True)
    for paper in (folded, unfolded):
        for trial in tuning.trials:
            paper.screen.show(trial)
        paper.screen.show(tuning)
    assert "1 not applicable (reasons: --all, or the report of a run)" in folded.text
    assert "1 more with --allow" in folded.text
    assert "channels_last" not in folded.text
    assert "not applicable (reasons" not in unfolded.text
    assert "channels_last" in unfolded.text
    assert "Not tried without --allow" in unfolded.text


def test_the_next_command_is_a_line_of_its_own() -> None:
    paper = Paper(width=40)
    command = "hasten train digits --plan runs/digits-20250101-120000/plan.toml"
    paper.screen.next(command)
    assert paper.text == f"next: {command}\n"


def test_a_record_of_unknown_kind_is_an_error() -> None:
    with pytest.raises(TypeError, match="records of type str"):
        Paper().screen.show("words")


def test_where_nothing_can_be_drawn_over_progress_is_a_line_every_few_seconds() -> None:
    paper = Paper()
    paper.screen.show(STARTED)
    before = len(paper.lines)
    for step in range(1, 101):
        paper.now = 0.25 * step
        paper.screen.show(progress(step, paper.now))
    assert len(paper.lines) - before == int(25 / PLAIN_EVERY_S)
    assert "plan, 100/1,000, train loss 0.5000, 45.2 k/s, 3:45 left" in paper.text


def test_on_a_terminal_the_line_is_drawn_a_few_times_a_second_and_goes_away() -> None:
    paper = Paper(terminal=True)
    drawn = 0
    with paper.screen as screen:
        screen.show(STARTED)
        for step in range(1, 1001):
            paper.now = 0.001 * step
            length = len(paper.text)
            screen.show(progress(step, paper.now))
            drawn += len(paper.text) > length
        assert drawn == int(1.0 / REDRAW_EVERY_S)
        assert "\x1b[?25l" in paper.text, "the cursor is hidden while the line moves"
        screen.show(Finished(reason=StopReason.STEPS, step=1000, epoch=1, elapsed_s=1.0))
        assert paper.text.rstrip().endswith("\x1b[2K"), "the line is erased"
    assert paper.text.count("\x1b[?25l") == paper.text.count("\x1b[?25h"), "the cursor comes back"


def test_a_slow_terminal_is_drawn_on_less_often() -> None:
    paper = Paper(terminal=True)
    moments: list[float] = []

    def draw(view: object) -> None:
        moments.append(paper.now)
        paper.now += 0.02

    with paper.screen as screen:
        screen.show(STARTED)
        screen._draw = draw  # type: ignore[method-assign]
        while paper.now < 20:
            paper.now += 0.01
            screen.show(progress(1, paper.now))
    assert 0.02 * len(moments) <= REDRAW_SHARE * 20 + 0.02


def test_the_cursor_comes_back_also_after_an_error() -> None:
    paper = Paper(terminal=True)
    with pytest.raises(RuntimeError, match="in the model"):
        with paper.screen as screen:
            screen.show(STARTED)
            paper.now = 1.0
            screen.show(progress(10, 1.0))
            raise RuntimeError("in the model")
    assert paper.text.count("\x1b[?25l") == paper.text.count("\x1b[?25h") == 1


def test_what_is_being_done_is_told_on_a_terminal_only() -> None:
    still, moving = Paper(), Paper(terminal=True)
    for paper in (still, moving):
        with paper.screen as screen:
            screen.show(Activity(text="trying bf16"))
    assert still.text == ""
    assert "trying bf16" in moving.text


def training_line(started: Started, *, width: int = 120) -> tuple[TrainingLine, Console]:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, no_color=True)
    now = iter(range(1000))
    return TrainingLine("baseline", started, console, clock=lambda: float(next(now))), console


def test_the_line_of_a_training_says_step_loss_metric_rate_and_time_left() -> None:
    line, console = training_line(STARTED)
    line.see(progress(100, 4.0))
    line.see(progress(250, 10.0, (0.4, 0.6)))
    line.see(evaluation(250))
    console.print(line.view())
    drawn = console.file.getvalue()  # type: ignore[attr-defined]
    assert "250/1,000 train loss 0.5000 accuracy 96.1 % 45.2 k/s 00:" in drawn
    assert drawn.count("━") >= 10


def test_training_and_validation_loss_have_two_names() -> None:
    line, _ = training_line(msgspec.structs.replace(STARTED, metric_name="loss"))
    line.see(progress(250, 10.0))
    line.see(evaluation(250, metric=0.7))
    assert "train loss 0.5000, val loss 0.700" in line.plain()


@pytest.mark.parametrize("width", [20, 40, 60, 78, 100, 138, 200])
def test_the_line_of_a_training_stays_within_the_width(width: int) -> None:
    line, console = training_line(STARTED, width=width)
    line.see(progress(999, 100.0))
    line.see(evaluation(999))
    console.print(line.view())
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert max(map(len, lines)) <= width
    assert len(lines) == 1


def test_a_training_without_a_length_has_no_time_left_and_a_lost_loss_is_told() -> None:
    line, _ = training_line(msgspec.structs.replace(STARTED, total_steps=None, plan=()))
    line.see(progress(7, 1.0, (0.5, None)))
    assert line.plain() == "baseline, step 7, train loss not finite, 45.2 k/s"


def test_a_training_that_went_wrong_says_why_it_ended() -> None:
    paper = Paper(width=120)
    lost = msgspec.structs.replace(make_run(0, (), pace=1.0), reason=StopReason.NON_FINITE, best_metric=None)
    paper.screen.show(lost)
    assert "accuracy not finite" in paper.text
    assert "loss is not finite" in paper.text


def test_a_last_metric_that_is_not_finite_stands_beside_the_best() -> None:
    paper = Paper(width=120)
    paper.screen.show(msgspec.structs.replace(make_run(0, (), pace=1.0), final_metric=None))
    assert "best accuracy 97.4 %, last not finite" in paper.text or "last not finite" in paper.text


def test_a_training_without_an_evaluation_has_no_metric_yet() -> None:
    paper = Paper(width=120)
    run = make_run(0, (), pace=1.0)
    paper.screen.show(msgspec.structs.replace(run, evaluations=(), best_metric=None, final_metric=None))
    assert "accuracy not evaluated yet" in paper.text


def test_a_diagnosis_says_what_is_wrong_what_it_would_gain_and_what_to_try() -> None:
    paper = Paper()
    finding = Finding(
        symptom="input_bound",
        severity=Severity.CRITICAL,
        sentence="41 % of the time is spent waiting for batches.",
        value=0.41,
        threshold=0.1,
        bound=1.69,
        bound_from="share of the time",
        advice="keep the samples in memory",
        techniques=("batched_gather",),
        check="hasten profile digits",
    )
    diagnosis = Diagnosis(
        verdict="The step waits for its input.",
        findings=(finding,),
        abstained=(Abstained(symptom="h2d_bound", reason="no GPU"),),
        silent=("host_bound", "memory_leak"),
    )
    paper.screen.show(diagnosis)
    flat = re.sub(r"\s+", " ", paper.text)
    assert "→ The step waits for its input." in flat
    assert "input_bound 41 % of the time is spent waiting for batches. Fixing it gives at most 1.69x" in flat
    assert "Try batched_gather. → keep the samples in memory" in flat
    assert "2 other checks passed; 1 skipped (missing signal)" in flat
    assert max(map(len, paper.lines)) <= 80


@pytest.mark.parametrize(
    ("techniques", "advice", "told"),
    [
        ((), "end what else runs", " End what else runs."),
        (("a", "b", "c", "d", "e"), "", " Try a, b, c, d and e."),
        (("a", "b", "c", "d", "e", "f"), "do it", " Try a, b, c, d and 2 more: do it."),
        ((), "", ""),
    ],
)
def test_what_to_do_about_a_finding(techniques: tuple[str, ...], advice: str, told: str) -> None:
    finding = Finding(
        symptom="s",
        severity=Severity.NOTE,
        sentence="s.",
        value=1.0,
        threshold=0.5,
        bound=None,
        techniques=techniques,
        advice=advice,
    )
    assert remedy(finding) == told


@pytest.mark.parametrize("of", ["a step", "the process"])
def test_a_peak_says_what_it_is_of(of: str) -> None:
    paper = Paper()
    shown = msgspec.structs.replace(make_deep_profile(), memory=None, peak_bytes=3 << 20, peak_of=of)
    paper.screen.show(shown)
    assert f"peak memory of {of} 3.00 MiB" in re.sub(r"\s+", " ", paper.text)


def test_a_profile_in_depth_is_shown_with_layers_bounds_and_diagnosis() -> None:
    paper = Paper()
    paper.screen.show(make_deep_profile())
    flat = re.sub(r"\s+", " ", paper.text)
    assert re.search(r"n = \d+ blocks, [\d,]+ steps in all", flat)
    assert "layers.0 Linear 120 µs 25 % 786 k 1.57 M 256 KiB" in flat
    assert "total 200 µs 20 % 983 k 1.97 M 384 KiB" in flat
    assert "the wait for data 1.75x [1.66, 1.84], n = 24 the update none" in flat
    assert "at most 1.84x" not in flat  # one limit for one gain: that of the diagnosis
    assert "doubled not measured out of memory" in flat
    assert "! the distance is not known" in flat
    assert flat.count("the step waits for its input") == 1
    assert max(map(len, paper.lines)) <= 80


def test_what_a_profile_could_not_measure_is_told() -> None:
    paper = Paper()
    profile = msgspec.structs.replace(make_profile(), remarks=("the disk was not measured",))
    paper.screen.show(profile)
    assert "! the disk was not measured" in paper.text


def test_a_paired_comparison_is_shown_with_its_interval() -> None:
    paper = Paper()
    paper.screen.show(
        Comparison(
            ratio=interval(1.3),
            verdict=Faster.FASTER,
            delta=0.02,
            pairs=24,
            steps_per_block=5,
            step_time_a_s=0.013,
            step_time_b_s=0.01,
            warmup_s=0.1,
            spent_s=2.0,
        )
    )
    assert "faster: 1.30x [1.23, 1.37], n = 24 pairs" in paper.text


@pytest.mark.parametrize(("length", "drawn"), [(0.0, ""), (1.0, "█"), (2.5, "██▌"), (0.125, "▏"), (0.01, "")])
def test_bars_are_drawn_to_an_eighth(length: float, drawn: str) -> None:
    assert bar(length).rstrip() == drawn


def test_an_event_that_draws_nothing_costs_microseconds() -> None:
    paper = Paper(terminal=True)
    paper.screen.show(STARTED)
    event = progress(10, 1.0)
    best = min(_time_of(lambda: [paper.screen.show(event) for _ in range(200)]) for _ in range(5)) / 200
    assert best < 200e-6


def _time_of(work: object) -> float:
    started = time.perf_counter()
    work()  # type: ignore[operator]
    return time.perf_counter() - started


def a_finding(step: int, symptom: str = "update_too_large") -> Found:
    sentence = "The median update is 12 % of the weights."
    finding = Finding(
        symptom=symptom, severity=Severity.WARNING, sentence=sentence, value=0.12, threshold=0.1, bound=None, id="D8"
    )
    return Found(finding=finding, step=step)


def test_findings_stay_below_the_moving_line_and_after_it() -> None:
    paper = Paper(terminal=True)
    for event in (STARTED, a_finding(20)):
        paper.screen.show(event)
    assert "hasten explain D8" in paper.text
    paper.now = 10.0
    before = len(paper.text)
    paper.screen.show(progress(200, 10.0))
    drawn = paper.text[before:]
    assert drawn.index("200/1,000") < drawn.index("D8 update_too_large")
    before = len(paper.text)
    paper.screen.show(Finished(reason=StopReason.STEPS, step=1000, epoch=3, elapsed_s=20.0))
    left = paper.text[before:].rpartition("\x1b[2K")[2]  # after the last line was erased
    assert left.count("D8 update_too_large") == 1


def test_findings_are_not_lost_where_the_training_fails() -> None:
    paper = Paper(terminal=True)
    with pytest.raises(ValueError, match="fails"), paper.screen:
        paper.screen.show(STARTED)
        paper.screen.show(a_finding(20))
        before = len(paper.text)
        raise ValueError("it fails")
    assert "D8 update_too_large" in paper.text[before:]


def test_findings_are_plain_lines_where_nothing_can_be_drawn_over() -> None:
    paper = Paper()
    for event in (STARTED, a_finding(20)):
        paper.screen.show(event)
    assert [line.rstrip() for line in paper.lines[-2:]] == [
        "  D8 update_too_large  The median update is 12 % of the weights.",
        "                       step 20; hasten explain D8",
    ]
