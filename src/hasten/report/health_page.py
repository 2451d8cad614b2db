"""The page of a diagnosis: what was found, how it was seen, and what was tried, as one HTML file."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from markupsafe import Markup

from hasten.base.files import write_text
from hasten.base.records.dynamics import Dynamics
from hasten.base.records.finding import Diagnosis, Severity
from hasten.base.records.health import Health
from hasten.base.units import percent, plural
from hasten.diagnosis.pages import page
from hasten.diagnosis.registry import IDENTIFIERS
from hasten.report.charts.intervals import Ratio, forest_plot
from hasten.report.charts.scale import tick_words
from hasten.report.figures import NARROW, WIDE, Figure
from hasten.report.health_figures import (
    MAP_WIDTH,
    PAIRS_WIDTH,
    USUAL_RATIO,
    depth_figures,
    direction_figure,
    layers,
    loss_figure,
    noise_figure,
    norm_figure,
    ratio_figure,
)
from hasten.report.health_findings import finding_views
from hasten.report.health_signs import LAYER_HEADS, layer_rows, training_line, vital_signs
from hasten.report.page import templates
from hasten.report.tried import tried_words

_SHORT = 18
"""Letters of a remedy that a narrow page has room for."""


def write_health_page(health: Health, diagnosis: Diagnosis, path: Path) -> None:
    """Write the page as one self-contained HTML file, atomically.

    Args:
        health: of the training.
        diagnosis: of it, with what trying the remedies showed.
        path: of the file.

    Raises:
        BadInput: if the file cannot be written.
    """
    write_text(
        path, render_health(health, diagnosis, made_at=datetime.now().astimezone().isoformat(timespec="seconds"))
    )


def render_health(health: Health, diagnosis: Diagnosis, *, made_at: str = "") -> str:
    """Return the page as HTML that needs nothing else: no network, no script, no other file."""
    return templates().get_template("health.html.j2").render(_contents(health, diagnosis, made_at))


def _contents(health: Health, diagnosis: Diagnosis, made_at: str) -> dict[str, Any]:
    return {
        "health": health,
        "diagnosis": diagnosis,
        "made_at": made_at,
        "tone": _tone(diagnosis),
        "training": training_line(health),
        "counts": _counts(diagnosis),
        "findings": finding_views(diagnosis, command=health.command),
        "tried": _markup(_tried(diagnosis)),
        "tried_words": [
            (one.symptom, one.outcome, tried_words(one)) for one in (diagnosis.fix.tried if diagnosis.fix else ())
        ],
        "silent": [(IDENTIFIERS.get(name, ""), name, _title(name)) for name in diagnosis.silent],
        "abstained": [(IDENTIFIERS.get(one.symptom, ""), one.symptom, one.reason) for one in diagnosis.abstained],
        "failed": [(name, trace.strip().splitlines()[-1]) for name, trace in health.failed.items()],
        "usual": " to ".join(map(tick_words, USUAL_RATIO)),
        "beside": f"{MAP_WIDTH:.0f}fr {PAIRS_WIDTH:.0f}fr",
        "versions": f"hasten {metadata.version('hasten')}, torch {metadata.version('torch')}",
        **(_seen(health.dynamics) if health.dynamics is not None else {"dynamics": None}),
    }


def _seen(dynamics: Dynamics) -> dict[str, Any]:
    rows, more = layer_rows(dynamics)
    found = layers(dynamics)
    return {
        "dynamics": dynamics,
        "signs": vital_signs(dynamics),
        "course": _all(loss_figure(dynamics), norm_figure(dynamics)),
        "depth": _all(*depth_figures(dynamics)),
        "updates": _markup(ratio_figure(dynamics)),
        "direction": _all(direction_figure(dynamics), noise_figure(dynamics)),
        "ends": (found[0][0], found[-1][0]) if found else ("", ""),
        "num_layers": plural(len(found), "layer"),
        "layer_heads": LAYER_HEADS,
        "layer_rows": rows,
        "more_layers": more,
        "samples": f"{plural(len(dynamics.samples), 'step')} of {len(dynamics.losses):,}",
        "cost": percent(dynamics.cost_share),
    }


def _tone(diagnosis: Diagnosis) -> str:
    severities = {one.severity for one in diagnosis.findings}
    if not severities:
        return "better"
    return "unknown" if severities == {Severity.NOTE} else "worse"


def _counts(diagnosis: Diagnosis) -> str:
    """Return how many rules found something, nothing, or could not judge."""
    folded = sum(len(one.folded) for one in diagnosis.findings)
    parts = [plural(len(diagnosis.findings), "finding")]
    parts += [f"{plural(folded, 'consequence')} folded under them"] if folded else []
    parts.append(f"{plural(len(diagnosis.silent), 'check')} passed")
    parts.append(f"{len(diagnosis.abstained)} skipped")
    return "; ".join(parts)


def _title(symptom: str) -> str:
    return page(symptom).title if symptom in IDENTIFIERS else ""


def _tried(diagnosis: Diagnosis) -> Figure | None:
    """Return the losses with each remedy over those without, with intervals; None where none was tried to the end."""
    fix = diagnosis.fix
    kinds = {"cures": "kept", "helps": "plan", "no help": "slower"}
    rows = [
        Ratio(one.what, one.ratio, kinds.get(one.outcome.value, "inconclusive"), f"{one.symptom}: {tried_words(one)}")
        for one in (fix.tried if fix is not None else ())
        if one.ratio is not None and one.ratio.low > 0
    ]
    if not rows or fix is None:
        return None

    short = [replace(one, name=one.name if len(one.name) <= _SHORT else f"{one.name[: _SHORT - 1]}…") for one in rows]
    label = "what the remedies did to the loss"
    return Figure(
        forest_plot(
            rows, width=WIDE, same=0.0, label=label, axis="loss with the remedy over loss without it; below 1 is better"
        ),
        forest_plot(short, width=NARROW, same=0.0, label=label, axis="loss with over loss without"),
    )


def _all(*figures: Figure | None) -> Sequence[dict[str, Markup]]:
    return [one for one in map(_markup, figures) if one is not None]


def _markup(figure: Figure | None) -> dict[str, Markup] | None:
    """Return the figure as markup: the charts escape their own words."""
    return None if figure is None else {"wide": Markup(figure.wide), "narrow": Markup(figure.narrow)}
