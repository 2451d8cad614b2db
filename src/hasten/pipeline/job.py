"""The main job: profile and judge the step -> tune -> train with the plan -> compare with the baseline -> report."""

import signal
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import hasten
from hasten.base.cache_folder import cache_folder
from hasten.base.errors import BadInput, error_text
from hasten.base.records.evidence import Evidence, Reported
from hasten.base.records.history import Outcome
from hasten.base.records.machine import Machine
from hasten.base.records.notices import Activity, Note
from hasten.base.records.plan import Plan
from hasten.base.records.profile import Profile, StepAnatomy
from hasten.base.records.record import Interval, save
from hasten.base.records.trial import Tuning
from hasten.base.stages import FREE, Guarantee, Stage
from hasten.base.units import plural, seconds
from hasten.machine.set_threads import threads_set
from hasten.measurement.statistics import few_ratios
from hasten.pipeline.budget import tuning_budget_s
from hasten.pipeline.comparing import Compared, compare, equal_quality, paired_quality, paired_speedup
from hasten.pipeline.eject.keeping import keep_script
from hasten.pipeline.examining import judged
from hasten.pipeline.less_memory import train_in_memory
from hasten.profiling.in_turn import anatomies_in_turn
from hasten.profiling.profile import profile
from hasten.report.evidence_file import write_evidence
from hasten.report.files import write_report
from hasten.techniques.applying import apply_plan
from hasten.techniques.plan_file import plan_text, write_plan
from hasten.training.facts import task_facts
from hasten.training.recipe import Recipe
from hasten.training.run_folder import EVIDENCE, MACHINE, PLAN, REPORT
from hasten.training.running import Show, Trained, run_training
from hasten.training.technique import Technique
from hasten.tuning.break_even import planned_s
from hasten.tuning.busy import still_best
from hasten.tuning.context import Hints
from hasten.tuning.history import remembered
from hasten.tuning.study import check_study
from hasten.tuning.tune import check_accepted, tune

IN_TURN_S = 5.0
"""Of steps that are timed in turn, with and without the plan."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a person may decide about the main job.

    Args:
        budget: of tuning; see `hasten.pipeline.budget.tuning_budget_s`.
        allow: guarantees that tuning may use.
        only: techniques that tuning tries; None for all.
        exclude: names of techniques that tuning does not try.
        accept: techniques that tuning keeps if they are faster, although their guarantee is not proven.
        seeds: pairs of trainings to compare; None for as many as fit into a minute, at least 1 and at most 5.
        fresh: ignore what earlier tunings of the same training found.
        study: URL of a database in which workers share what they find.
        command: that started the job, as it was typed; for the report.
    """

    budget: str | None = None
    allow: frozenset[Guarantee] = FREE
    only: tuple[Technique, ...] | None = None
    exclude: frozenset[str] = frozenset()
    accept: frozenset[str] = frozenset()
    seeds: int | None = None
    fresh: bool = False
    study: str | None = None
    command: str = ""

    def __post_init__(self) -> None:
        tuning_budget_s(self.budget, planned=1.0)  # what cannot be read is told before anything is measured
        check_accepted(self.accept)
        if self.study is not None:
            check_study(self.study)
        if self.seeds is not None and self.seeds < 1:
            raise BadInput(f"the comparison needs at least 1 seed; found {self.seeds}.")


@dataclass(frozen=True)
class Job:
    """How the main job ended: its evidence, and the signal that interrupted it, if one did.

    Without evidence it was the training that was interrupted, and it can go on from the folder's checkpoint.
    """

    folder: Path
    evidence: Evidence | None
    interrupted_by: int | None = None


def run(recipe: Recipe, machine: Machine, *, folder: Path, options: Options, show: Show) -> Job:
    """Do the whole job for a baseline recipe on a measured machine; everything goes into `folder` and to `show`."""
    save(machine, folder / MACHINE)
    show(facts := task_facts(recipe))
    show(Activity(text="profiling the step"))
    show(anatomy := judged(profile(recipe, machine), recipe, machine))
    tuning = run_tuning(recipe, machine, anatomy, options, show=show)
    plan = tuning.plan
    write_plan(plan, folder / PLAN)
    script = keep_script(recipe, plan, folder, show)
    planned = apply_plan(plan, recipe, machine)
    threads = still_best(recipe, tuning.threads)
    on_fewer = () if threads is None else (_on_fewer(threads),)
    for text in on_fewer:
        show(Note(text=text))
    with threads_set(threads):
        compared = _trained(recipe, planned, plan, machine, folder=folder, seeds=options.seeds, show=show)
        pairs = compared.pairs
        to_time = bool(plan.choices and pairs) and compared.interrupted_by is None  # who interrupts wants to go
        in_turn, remarks, interrupted_by = (), (), compared.interrupted_by
        if to_time:
            try:
                in_turn, remarks = _in_turn(recipe, planned, plan, show)
            except KeyboardInterrupt:
                interrupted_by = signal.SIGINT
    if not pairs:
        return Job(folder, None, interrupted_by)
    speedup, made_at = paired_speedup(pairs), _now()
    evidence = Evidence(
        hasten=hasten.__version__,
        made_at=made_at,
        machine=machine,
        task=facts,
        profile=anatomy,
        tuning=tuning,
        plan=plan,
        plan_text=plan_text(plan),
        plan_runs=tuple(with_plan for with_plan, _ in pairs),
        baseline_runs=tuple(without for _, without in pairs),
        speedup=speedup,
        level=equal_quality(pairs),
        memory=_memory(in_turn),
        quality=paired_quality(pairs) if plan.choices else None,
        in_turn=in_turn,
        history=remember(recipe, machine, tuning, made_at=made_at, trained=speedup, show=show),
        script=script,
        command=options.command,
        remarks=(*on_fewer, *remarks),
        threads=threads,
    )
    write_evidence(evidence, folder / EVIDENCE)
    show(evidence)
    write_report(evidence, folder)
    show(Reported(path=str(folder / REPORT)))
    return Job(folder, evidence, interrupted_by)


def _on_fewer(threads: int) -> str:
    return f"Other work still keeps this machine busy: all trainings of this run use {plural(threads, 'thread')}."


def _trained(
    recipe: Recipe, planned: Recipe, plan: Plan, machine: Machine, *, folder: Path, seeds: int | None, show: Show
) -> Compared:
    """Train with the plan, into the folder, and compare with the baseline; no pair where the first was interrupted."""

    def train(planned: Recipe, resume: bool) -> Trained:
        return run_training(planned, plan, folder=folder, show=show, resume=resume)

    trained = train_in_memory(planned, plan, recipe, machine, train=train, folder=folder, resume=False, show=show)
    show(trained.result)
    if trained.interrupted_by is not None:
        return Compared([], trained.interrupted_by)
    if not plan.choices:  # the plan is the baseline: a second training would be the same one
        return Compared([(trained.result, trained.result)])
    return compare(recipe, planned, plan, trained.result, seeds=seeds, show=show)


def run_tuning(recipe: Recipe, machine: Machine, anatomy: Profile, options: Options, *, show: Show) -> Tuning:
    """Tune, showing every trial as it is known, and return the whole."""
    last = None
    step_s = anatomy.step_s.value
    budget_s = tuning_budget_s(options.budget, planned_s(recipe, step_s), step_s)
    show(Activity(text=f"tuning for at most {seconds(budget_s)}"))
    trials = tune(
        recipe,
        machine,
        budget_s=budget_s,
        allow=options.allow,
        only=options.only,
        exclude=options.exclude,
        accept=options.accept,
        hints=hints_of(anatomy),
        keep_in=cache_folder(),
        study=options.study,
        fresh=options.fresh,
        tell=lambda text: show(Note(text=text)),
    )
    for last in trials:
        show(last)
    assert isinstance(last, Tuning), "tuning ends with its record"
    return last


def remember(
    recipe: Recipe, machine: Machine, tuning: Tuning, *, made_at: str = "", trained: Interval | None = None, show: Show
) -> tuple[Outcome, ...]:
    """Add what became of a tuning's plan to the history of the task on this machine; return the whole history.

    Args:
        recipe: the baseline.
        machine: what it ran on.
        tuning: that is over.
        made_at: when, in local time, ISO 8601; empty for now.
        trained: how many times faster whole trainings were, where there were any.
        show: called with a note where the history cannot be read or kept.
    """
    found = tuning.forecast
    outcome = None if found is None else Outcome(made_at=made_at or _now(), forecast=found, trained=trained)
    outcomes, note = remembered(recipe, machine, cache_folder(), outcome)
    if note:
        show(Note(text=note))
    return outcomes


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="seconds")


def _in_turn(
    recipe: Recipe, planned: Recipe, plan: Plan, show: Show
) -> tuple[tuple[StepAnatomy, ...], tuple[str, ...]]:
    """Return where the steps of baseline and plan go, timed in turn, or nothing and why they are not known."""
    show(Activity(text="timing the steps of baseline and plan in turn"))
    try:
        return anatomies_in_turn([(recipe, ()), (planned, plan.names)], budget_s=IN_TURN_S), ()
    except Exception as error:  # noqa: BLE001  (it runs the person's model; the trainings before must not be lost)
        return (), (f"the steps of baseline and plan were not timed in turn: {error_text(error)}",)


def _memory(in_turn: Sequence[StepAnatomy]) -> Interval | None:
    """Return the peak memory of a step with the plan over that of the baseline, or None for fewer than two steps."""
    if not in_turn:
        return None
    before, after = (one.step_peaks for one in in_turn)
    ratios = [new / old for new, old in zip(after, before, strict=False) if new > 0 and old > 0]
    return few_ratios(ratios) if len(ratios) >= 2 else None


UNSURE = "thermal_or_contention"
"""The symptom by which a diagnosis says that other work on the machine makes its times unsure."""


def hints_of(anatomy: Profile) -> Hints:
    """Return what a diagnosed profile lets tuning expect.

    The gain of a technique is the largest bound of the findings that name it. The times of stages are those that a
    profile separates from all others, and none where the diagnosis calls its own times unsure.
    """
    findings = anatomy.diagnosis.findings if anatomy.diagnosis is not None else ()
    gains: dict[str, float] = {}
    for finding in findings:
        for name in finding.techniques:
            gains[name] = max(gains.get(name, 1.0), finding.bound or 1.0)
    unsure = anatomy.diagnosis is None or any(finding.symptom == UNSURE for finding in findings)
    stage_s = {} if unsure else {
        Stage.INPUT: anatomy.seconds("input", "transfer"),
        Stage.UPDATE: anatomy.seconds("update"),
    }  # fmt: skip
    return Hints(gains=gains, stage_s=stage_s, step_s=anatomy.step_s.value)
