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
from hasten.report.trials import finding, measured_first, not_allowed
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
        "inside": [_markup(one) for one in (roofline_figure(evidence.profile), memory_figure(evidence.profile)) if one],
        "layer_heads": HEADS,
        "layers": layer_rows(evidence.profile, most=_LAYERS),
        "techniques": _markup(techniques_figure(evidence.tuning)),
        "not_allowed": not_allowed(evidence.tuning.trials),
        "trials": [(trial, finding(trial), _proof(trial)) for trial in measured_first(evidence.tuning.trials)],
        "curves": [_markup(figure) for figure in curve_figures(evidence)],
        "method": method(evidence.tuning),
    }


def method(tuning: Tuning) -> list[str]:
    """Return how the numbers were measured, in sentences."""
    smallest = f"{100 * tuning.smallest_difference:.1f} %"
    sentences = [
        "Techniques were timed in turn with the training without them (paired, interleaved, in random order), after "
        "warming up. A ratio is the time per sample without over that with the technique: above 1 is faster.",
        f"Ratios within {smallest} of 1 count as no difference.",
        f"Tuning took {seconds(tuning.spent_s)} of a budget of {seconds(tuning.budget_s)}.",
    ]
    if tuning.noise is not None:
        sentences.insert(1, f"The baseline against itself came to {ratio(tuning.noise, 'pair')}.")
    return sentences


def _findings(profile: Profile) -> tuple[Finding, ...]:
    """Return what the rules found, or nothing where the profile was not judged."""
    return profile.diagnosis.findings if profile.diagnosis is not None else ()


def _proof(trial: Trial) -> str:
    """Return the numerical proof of a trial in words; empty where none was owed."""
    gate = trial.gate
    if gate is None:
        return ""
    outcome = "passed" if gate.passed else "failed"
    return f"{gate.guarantee.value} {outcome}: {gate.measured:.3g}, at most {gate.bound:.3g} allowed. {gate.detail}"


def _markup(figure: Figure | None) -> dict[str, Markup] | None:
    """Return the figure as markup: the charts escape their own words."""
    if figure is None:
        return None
    return {"wide": Markup(figure.wide), "narrow": Markup(figure.narrow)}
