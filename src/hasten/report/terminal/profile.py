"""A profile on the terminal: anatomy, layers, possible gains and the diagnosis."""

from rich.console import Group, RenderableType
from rich.text import Text

from hasten.base.records.profile import Profile
from hasten.report.layers import HEADS, layer_rows
from hasten.report.terminal.anatomy import anatomy_view
from hasten.report.terminal.findings import diagnosis_view
from hasten.report.terminal.layout import grid, quiet, section
from hasten.report.wording import bounds, times

_LAYERS = 8
_FOR_ALL_COLUMNS = 116
_LEFT_OUT = frozenset({"parameters", "moved"})  # where it is narrower
_NOTHING = 1.005


def profile_view(profile: Profile, *, width: int) -> RenderableType:
    """Return the whole profile, in `width` columns."""
    parts = [anatomy_view(profile, width=width)]
    if profile.ablations and (rows := layer_rows(profile, most=_LAYERS)):  # of a profile in depth
        shown = [place for place, head in enumerate(HEADS) if width >= _FOR_ALL_COLUMNS or head not in _LEFT_OUT]
        cells = [HEADS, *(row.cells for row in rows)]
        table = [tuple(_cell(line[place], place, head=line is HEADS) for place in shown) for line in cells]
        parts.append(section("Layers", grid(table, right=frozenset(range(1, len(shown))))))
    if gains := _gains(profile):
        parts.append(
            section(
                "Ablations",
                grid(gains, right=frozenset({1})),
                note="speed-up of the step without each part, timed in pairs with the usual step",
            )
        )
    if profile.diagnosis is not None:
        parts.append(diagnosis_view(profile.diagnosis))
    return Group(*parts)


def _cell(words: str, place: int, *, head: bool) -> Text:
    if head:
        return quiet("" if place == 0 else words)
    return Text(words if place or len(words) <= 24 else f"…{words[-23:]}")


def _gains(profile: Profile) -> list[tuple[Text, Text, Text]]:
    """Return what each experiment removed and the speed-up with its interval, the largest first."""
    measured = [(ablation, ablation.ratio) for ablation in profile.ablations if ablation.ratio is not None]
    rows = [
        (
            Text(ablation.removes),
            Text(times(ratio.value)) if ratio.high > _NOTHING else quiet("none"),
            quiet("; ".join(filter(None, (f"{bounds(ratio)}, n = {ratio.n}", ablation.detail)))),
        )
        for ablation, ratio in sorted(measured, key=lambda pair: -pair[1].value)
    ]
    failed = [
        (Text(ablation.removes), quiet("not measured"), quiet(ablation.failed))
        for ablation in profile.ablations
        if ablation.failed
    ]
    return rows + failed
