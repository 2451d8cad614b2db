"""The report: one HTML file with everything in it, made from the evidence alone."""

from pathlib import Path
from typing import Any

from markupsafe import Markup

from hasten.base.files import write_text
from hasten.base.records.evidence import Evidence
from hasten.base.records.finding import Finding
from hasten.base.records.profile import Profile
from hasten.base.records.trial import Trial, Tuning
from hasten.base.units import count, nbytes, seconds
from hasten.report.depths import profile_sentences
from hasten.report.figures import (
    Figure,
    anatomy_figure,
    curve_figures,
    memory_figure,
    roofline_figure,
    techniques_figure,
)
from hasten.report.findings import gain, remedy
from hasten.report.layers import HEADS, layer_rows
from hasten.report.page import templates
from hasten.report.peaks import peak_rows
from hasten.report.summary import summary_rows
from hasten.report.trials import finding, measured_first, not_allowed, not_applicable
from hasten.report.verdict import judge
from hasten.report.wording import data_line, joined, knobs, machine_line, ratio, training_line

_LAYERS = 12
_FILTERS = {
    "seconds": seconds,
    "nbytes": nbytes,
    "count": count,
    "joined": joined,
    "knobs": knobs,
    "share": lambda share: f"{100 * share:.1f} %",
}


def write_html(evidence: Evidence, path: Path) -> None:
    """Write the report as one self-contained HTML file, atomically.

    Raises:
        BadInput: if the file cannot be written.
    """
    write_text(path, render(evidence))


def render(evidence: Evidence) -> str:
    """Return the report as HTML that needs nothing else: no network, no script, no other file."""
    pages = templates()
    pages.filters.update(_FILTERS)
    return pages.get_template("report.html.j2").render(contents(evidence))


def contents(evidence: Evidence) -> dict[str, Any]:
    """Return what the template shows, by name."""
    return {
        "evidence": evidence,
        "judgment": judge(evidence),
        "summary": summary_rows(evidence),
        "machine": machine_line(evidence.machine),
        "peaks": peak_rows(evidence.machine),
        "data": data_line(evidence.task),
        "training": training_line(evidence.task),
        "anatomy": _markup(anatomy_figure(evidence.profile)),
        "parts": [part for part in evidence.profile.parts if part.seconds > 0],
        "findings": [(one.symptom, f"{one.sentence}{gain(one)}{remedy(one)}") for one in _findings(evidence.profile)],
        "depths": profile_sentences(evidence.profile),
        **_inside(evidence.profile),
        "layer_heads": HEADS,
        "layers": layer_rows(evidence.profile, most=_LAYERS),
        "techniques": _markup(techniques_figure(evidence.tuning)),
        "not_applicable": not_applicable(evidence.tuning.trials),
        "not_allowed": not_allowed(evidence.tuning.trials),
        "trials": [(trial, finding(trial), _proof(trial)) for trial in measured_first(evidence.tuning.trials)],
        "curves": [_markup(figure) for figure in curve_figures(evidence)],
        "method": method(evidence.tuning),
    }


def method(tuning: Tuning) -> list[str]:
    """Return the method of measurement, in sentences."""
    smallest = f"{100 * tuning.smallest_difference:.1f} %"
    sentences = [
        "Each technique was timed in turn with the recipe without it, after warm-up: paired blocks in random order. A "
        "ratio is time per sample without the technique over time with it; above 1x is faster.",
        f"Detection threshold: {smallest}. Smaller differences count as no difference.",
        f"Tuning took {seconds(tuning.spent_s)} of a budget of {seconds(tuning.budget_s)}.",
    ]
    if tuning.noise is not None:
        sentences.insert(1, f"Noise floor, the baseline against itself: {ratio(tuning.noise, 'pair')}.")
    return sentences


def _inside(profile: Profile) -> dict[str, Any]:
    """Return the figures of what happens inside a step, and one note with a sentence for each figure that is there."""
    figures = [
        (
            roofline_figure(profile),
            "Roofline: a dot is a layer, larger the more time it takes; the line is the limit of this machine.",
        ),
        (
            memory_figure(profile),
            "Memory: a bar is the peak during a part of the step, the line across it the memory when the part ends; "
            "the dashed line is weights and optimizer state.",
        ),
    ]
    shown = [(figure, note) for figure, note in figures if figure is not None]
    return {"inside": [_markup(figure) for figure, _ in shown], "inside_note": " ".join(note for _, note in shown)}


def _findings(profile: Profile) -> tuple[Finding, ...]:
    """Return what the rules found, or nothing where the profile was not judged."""
    return profile.diagnosis.findings if profile.diagnosis is not None else ()


def _proof(trial: Trial) -> str:
    """Return the numerical check of a trial as text; empty where it had none."""
    gate = trial.gate
    if gate is None:
        return ""
    outcome = "passed" if gate.passed else "failed"
    return f"{gate.guarantee.value} {outcome}: {gate.measured:.3g}, limit {gate.bound:.3g}. {gate.detail}"


def _markup(figure: Figure | None) -> dict[str, Markup] | None:
    """Return the figure as markup: the charts escape their own words."""
    if figure is None:
        return None
    return {"wide": Markup(figure.wide), "narrow": Markup(figure.narrow)}
