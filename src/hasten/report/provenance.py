"""Where the numbers of a report come from: task, machine, versions, seeds, the command, and the method."""

from hasten.base.records.evidence import Evidence
from hasten.base.records.record import Record
from hasten.base.records.trial import Tuning
from hasten.base.units import seconds
from hasten.report.wording import data_line, machine_line, ratio, training_line


class Fact(Record, frozen=True):
    """A name and what there is to say."""

    name: str
    words: str


def facts(evidence: Evidence) -> tuple[Fact, ...]:
    """Return what was trained, on what, with which versions and seeds, and how to do it again."""
    machine, task = evidence.machine, evidence.task
    seeds = ", ".join(str(run.seed) for run in evidence.plan_runs) or "none"
    found = {
        "task": f"{task.name}: {data_line(task)}",
        "baseline": training_line(task),
        "machine": machine_line(machine),
        "instructions": " ".join(machine.isa),
        "versions": f"hasten {evidence.hasten}, torch {machine.torch}, Python {machine.python}, {machine.platform}",
        "seeds": f"{seeds}; baseline and plan were trained on the same seeds, in alternating order",
        "made": evidence.made_at,
        "command": evidence.command,
    }
    return tuple(Fact(name=name, words=words) for name, words in found.items() if words)


def method(tuning: Tuning) -> tuple[str, ...]:
    """Return the method of measurement, in sentences."""
    smallest = f"{100 * tuning.smallest_difference:.1f} %"
    sentences = [
        "Techniques were timed in short blocks of training steps, in random order, after warm-up. A ratio is time per "
        "sample without the technique over time with it, the rest of the plan the same; above 1x is faster.",
        f"Detection threshold: {smallest}. Smaller differences count as no difference.",
        f"Tuning took {seconds(tuning.spent_s)} of a budget of {seconds(tuning.budget_s)}; no other time includes it.",
    ]
    if tuning.noise is not None:
        sentences.insert(1, f"Noise floor, the baseline against itself: {ratio(tuning.noise, 'pair')}.")
    return tuple(sentences)
