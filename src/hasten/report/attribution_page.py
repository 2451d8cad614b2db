"""The page of attributions: what each prediction comes from, and how far that can be trusted."""

from datetime import datetime
from importlib import metadata
from itertools import groupby
from pathlib import Path
from typing import Any

from hasten.base.files import write_text
from hasten.base.records.attribution import AttributedSample, Attribution, InputKind, Method
from hasten.base.units import digits3, percent_at_most, plural
from hasten.report.attribution_words import headline, in_order, kind_words, strongest
from hasten.report.page import templates

COLUMNS, ROWS = 8, 800
"""Columns of a sample that are shown, those with the largest attributions; and of all samples together."""
TOKENS = 2000
"""Of all samples together that are shown."""
METHODS = {
    Method.INTEGRATED_GRADIENTS: (
        "the gradient, averaged on the way from the baseline to the sample, times the difference of both",
        "Sundararajan et al., 2017, arXiv:1703.01365",
    ),
    Method.GRADIENT_X_INPUT: ("the gradient times the input", "Shrikumar et al., 2016, arXiv:1605.01713"),
    Method.SALIENCY: (
        "the absolute gradient: how much a small change matters",
        "Simonyan et al., 2013, arXiv:1312.6034",
    ),
}


def write_attribution(found: Attribution, path: Path) -> None:
    """Write the page as one self-contained HTML file, atomically.

    Raises:
        BadInput: if the file cannot be written.
    """
    write_text(path, render_attribution(found, made_at=datetime.now().astimezone().isoformat(timespec="seconds")))


def render_attribution(found: Attribution, *, made_at: str = "") -> str:
    """Return the page as HTML that needs nothing else: no network, no script, no other file."""
    missed = [one.incompleteness for one in found.samples if one.incompleteness is not None]
    steps = [one.steps for one in found.samples if one.steps is not None]
    formula, source = METHODS[found.method]
    contents = {
        "found": found,
        "made_at": made_at,
        "head": f"What {plural(len(found.samples), 'prediction')} of {found.task} come from",
        "groups": [
            (group.value, [_view(found, one) for one in members])
            for group, members in groupby(found.samples, key=lambda one: one.group)
        ],
        "part": kind_words(found.kind),
        "formula": formula,
        "source": source,
        "worst": percent_at_most(max(missed)) if missed else "",
        "steps": f"{min(steps)} to {max(steps)}" if steps and min(steps) < max(steps) else str(max(steps, default="")),
        "similarity": "" if found.similarity is None else f"{found.similarity:.2f}",
        "is_saliency": found.method is Method.SALIENCY,
        "versions": f"hasten {metadata.version('hasten')}, captum {metadata.version('captum')}",
    }
    return templates().get_template("attribution.html.j2").render(contents)


def _view(found: Attribution, sample: AttributedSample) -> dict[str, Any]:
    """Return what the template shows of one sample."""
    view: dict[str, Any] = {
        "headline": headline(sample),
        "output": digits3(sample.output),
        "base": digits3(sample.baseline_output),
        "image": None,
        "tokens": None,
        "columns": None,
    }
    number = len(found.samples)
    if found.kind is InputKind.IMAGE:
        from hasten.report.attribution_pictures import addresses  # Pillow is there where captum is

        view["image"] = addresses(sample, of=number)
    elif found.kind is InputKind.TOKENS:
        shown, left_out = in_order(sample, max(1, TOKENS // number))
        view |= {"tokens": shown, "left_out": left_out, "joined": all(len(one.name) == 1 for one in shown)}
    else:
        shown = strongest(sample, max(1, min(COLUMNS, ROWS // number)))
        rest = sum(sample.attributions) - sum(one.attribution for one in shown)
        view |= {"columns": shown, "others": len(sample.attributions) - len(shown), "rest": f"{rest:+.3g}"}
    return view
