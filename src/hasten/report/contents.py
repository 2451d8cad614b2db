"""What a report says, as plain values: page, text and data file are three forms of them."""

from collections.abc import Iterable

from hasten.base.records.evidence import Evidence
from hasten.base.records.record import Interval, Record
from hasten.base.records.run import RunResult
from hasten.base.records.trial import Trial
from hasten.report.depths import profile_sentences
from hasten.report.findings import FindingRow, finding_rows
from hasten.report.layers import LayerRow, layer_rows
from hasten.report.numbers import Number, three_numbers
from hasten.report.past import Past, past_sentence, past_tunings
from hasten.report.peaks import PeakRow, peak_rows
from hasten.report.provenance import Fact, facts, method
from hasten.report.saved_time import Saved, saved_time
from hasten.report.step_parts import PartRow, Step, part_rows, steps
from hasten.report.summary import SummaryRow, summary_rows
from hasten.report.trials import beside, finding, kept_first, not_allowed, not_applicable, proof
from hasten.report.verdict import Tone, judge
from hasten.report.waterfall import Gain, gains, left_over_sentence
from hasten.report.wording import joined, knobs, plural

_LAYERS = 12


class Tried(Record, frozen=True):
    """A technique that was tried: its verdict, and why."""

    technique: str
    verdict: str
    kind: str  # of the verdict, as a word without spaces
    words: str  # the ratio with its interval, and the reason
    beside: str
    knobs: str
    proof: str  # of its guarantee; empty where none was asked for
    proof_detail: str
    setup_s: float
    ratio: Interval | None  # times faster


class Refused(Record, frozen=True):
    """A technique that was not tried, and why."""

    technique: str
    reason: str


class Course(Record, frozen=True):
    """One training: its evaluations in order; None where a value is not finite."""

    side: str  # "baseline" or "plan"
    seed: int
    ended: str
    seconds: tuple[float, ...]
    steps: tuple[int, ...]
    metric: tuple[float | None, ...]
    valid_loss: tuple[float | None, ...]
    train_loss: tuple[float | None, ...]


class Report(Record, frozen=True):
    """Everything that the report of a run says, in the order in which it says it."""

    task: str
    made_at: str
    sentence: str
    tone: Tone
    numbers: tuple[Number, ...]
    kept: str  # how many techniques of those that were tried
    details: tuple[str, ...]
    remarks: tuple[str, ...]
    sides: tuple[SummaryRow, ...]
    metric: str
    target: float | None
    level: float | None  # of the metric, at which times are compared
    saved: Saved | None
    courses: tuple[Course, ...]
    gains: tuple[Gain, ...]
    left_over: str  # what the gains of the techniques leave to the plan as a whole, in a sentence
    tried: tuple[Tried, ...]
    noise: Interval | None
    smallest_difference: float
    refused: tuple[Refused, ...]
    not_allowed: tuple[str, ...]
    tuning_remark: str
    verdict_of_step: str
    steps: tuple[Step, ...]
    parts: tuple[PartRow, ...]
    findings: tuple[FindingRow, ...]
    inside: tuple[str, ...]
    layers: tuple[LayerRow, ...]
    step_remarks: tuple[str, ...]
    past: tuple[Past, ...]
    past_sentence: str
    facts: tuple[Fact, ...]
    peaks: tuple[PeakRow, ...]
    machine_remarks: tuple[str, ...]
    method: tuple[str, ...]
    plan: str
    next_command: str
    script: str


def contents(evidence: Evidence) -> Report:
    """Return what the report of a run says."""
    judgment, tuning, profile = judge(evidence), evidence.tuning, evidence.profile
    waterfall = gains(tuning)
    planned = evidence.plan_runs if evidence.plan.choices else ()  # without a plan they are the baseline's
    return Report(
        task=evidence.task.name,
        made_at=evidence.made_at,
        sentence=judgment.sentence,
        tone=judgment.tone,
        numbers=three_numbers(evidence),
        kept=_kept(evidence),
        details=judgment.details,
        remarks=evidence.remarks,
        sides=tuple(summary_rows(evidence)),
        metric=evidence.task.metric,
        target=evidence.task.target,
        level=evidence.level,
        saved=saved_time(evidence),
        courses=tuple(_courses("baseline", evidence.baseline_runs)) + tuple(_courses("plan", planned)),
        gains=waterfall,
        left_over=left_over_sentence(waterfall),
        tried=tuple(map(_tried, kept_first(tuning.trials))),
        noise=tuning.noise,
        smallest_difference=tuning.smallest_difference,
        refused=tuple(Refused(technique=one.technique, reason=one.reason) for one in not_applicable(tuning.trials)),
        not_allowed=tuple(not_allowed(tuning.trials)),
        tuning_remark=tuning.remark,
        verdict_of_step=profile.verdict,
        steps=steps(evidence),
        parts=part_rows(evidence),
        findings=finding_rows(evidence),
        inside=tuple(profile_sentences(profile)),
        layers=tuple(layer_rows(profile, most=_LAYERS)),
        step_remarks=profile.remarks,
        past=past_tunings(evidence.history),
        past_sentence=past_sentence(evidence.history),
        facts=facts(evidence),
        peaks=tuple(peak_rows(evidence.machine)),
        machine_remarks=evidence.machine.remarks,
        method=method(tuning),
        plan=evidence.plan_text,
        next_command=f"hasten train {profile.command or evidence.task.name} --plan plan.toml",
        script=evidence.script,
    )


def _kept(evidence: Evidence) -> str:
    tried = {trial.technique for trial in kept_first(evidence.tuning.trials)}
    plan = evidence.plan.names
    what = f": {joined(plan)}" if plan else ""
    return f"Kept {len(plan)} of {plural(len(tried | set(plan)), 'technique')} tried{what}."


def _tried(trial: Trial) -> Tried:
    return Tried(
        technique=trial.technique,
        verdict=trial.verdict.value,
        kind=trial.verdict.name.lower(),
        words=finding(trial),
        beside=beside(trial),
        knobs=knobs(trial.knobs),
        proof=proof(trial),
        proof_detail=trial.gate.detail if trial.gate is not None else "",
        setup_s=trial.setup_s,
        ratio=trial.speedup,
    )


def _courses(side: str, runs: Iterable[RunResult]) -> Iterable[Course]:
    for run in runs:
        seen = run.evaluations
        yield Course(
            side=side,
            seed=run.seed,
            ended=run.reason.value,
            seconds=tuple(one.elapsed_s for one in seen),
            steps=tuple(one.step for one in seen),
            metric=tuple(one.metric for one in seen),
            valid_loss=tuple(one.valid_loss for one in seen),
            train_loss=tuple(one.train_loss for one in seen),
        )
