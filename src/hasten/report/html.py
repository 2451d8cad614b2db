"""The report as one HTML file with everything in it: no network, no script, no other file."""

from dataclasses import dataclass

from markupsafe import Markup

from hasten.base.records.profile import Profile
from hasten.base.units import seconds
from hasten.report.contents import Report
from hasten.report.curve_figures import other_figures, time_to_quality_figure
from hasten.report.figures import (
    Figure,
    anatomy_figure,
    memory_figure,
    past_figure,
    roofline_figure,
    techniques_figure,
    waterfall_figure,
)
from hasten.report.layers import HEADS
from hasten.report.page import templates
from hasten.report.wording import is_known

LONGEST_SCRIPT = 40_000
"""Letters of a script that stands in the page."""


@dataclass(frozen=True)
class Drawing:
    """A figure as markup: the charts escape their own words."""

    wide: Markup
    narrow: Markup


def page(said: Report, profile: Profile) -> str:
    """Return the page.

    Args:
        said: what the report says.
        profile: of the baseline, for the charts of what happens inside a step.
    """
    environment = templates()
    environment.filters["seconds"] = seconds
    inside = [
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
    shown = [(figure, note) for figure, note in inside if figure is not None]
    return environment.get_template("report.html.j2").render(
        said=said,
        to_quality=_drawing(time_to_quality_figure(said)),
        waterfall=_drawing(waterfall_figure(said)),
        techniques=_drawing(techniques_figure(said)),
        noise_is_drawn=said.noise is not None and is_known(said.noise),
        anatomy=_drawing(anatomy_figure(said, profile)),
        inside=[_drawing(figure) for figure, _ in shown],
        inside_note=" ".join(note for _, note in shown),
        layer_heads=HEADS,
        past=_drawing(past_figure(said)),
        curves=[_drawing(figure) for figure in other_figures(said)],
        script_lines=said.script.count("\n"),
        script=said.script if len(said.script) <= LONGEST_SCRIPT else "",
    )


def _drawing(figure: Figure | None) -> Drawing | None:
    return None if figure is None else Drawing(Markup(figure.wide), Markup(figure.narrow))
