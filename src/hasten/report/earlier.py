"""What earlier runs on this machine found out about each technique, from the evidence that they left."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from hasten.base.errors import BadInput
from hasten.base.records.evidence import Evidence
from hasten.base.records.machine import Machine
from hasten.base.records.trial import Trial, Verdict
from hasten.report.evidence_file import read_evidence
from hasten.training.run_folder import EVIDENCE


class Earlier(NamedTuple):
    """One trial of an earlier run."""

    run: str  # name of its folder
    made_at: str  # local time, ISO 8601
    task: str
    trial: Trial


class Found(NamedTuple):
    """The evidence in a folder of runs: that of this machine, newest first, and what could not be used, in words."""

    evidence: list[tuple[str, Evidence]]
    remarks: list[str]


def hardware(machine: Machine) -> tuple[object, ...]:
    """Return what makes measured ratios comparable: processor, cores, instruction sets and accelerator."""
    return machine.cpu, machine.cores, machine.isa, machine.gpu.name if machine.gpu else None


def evidence_in(runs: Path, machine: Machine) -> Found:
    """Return the evidence that runs on this machine left in a folder; an absent folder holds none."""
    found, remarks, others = list[tuple[str, Evidence]](), list[str](), 0
    for path in sorted(runs.glob(f"*/{EVIDENCE}")):
        try:
            evidence = read_evidence(path)
        except BadInput as error:
            remarks.append(f"not used: {error}")
            continue
        if hardware(evidence.machine) == hardware(machine):
            found.append((path.parent.name, evidence))
        else:
            others += 1
    if others:
        remarks.append(f"{others} of the runs in {runs} are of another machine")
    return Found(sorted(found, key=lambda one: one[1].made_at, reverse=True), remarks)


def trials_of(technique: str, evidence: Iterable[tuple[str, Evidence]]) -> list[Earlier]:
    """Return the trials of a technique in the order of the evidence; one that was not allowed was not tried."""
    return [
        Earlier(run=run, made_at=one.made_at, task=one.task.name, trial=trial)
        for run, one in evidence
        for trial in one.tuning.trials
        if trial.technique == technique and trial.verdict is not Verdict.NOT_ALLOWED
    ]


def last_of_each_task(trials: Iterable[Earlier]) -> list[Earlier]:
    """Return the first trial of each task, which is the newest where the newest come first."""
    newest: dict[str, Earlier] = {}
    for one in trials:
        newest.setdefault(one.task, one)
    return list(newest.values())
