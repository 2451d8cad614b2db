"""Attributions on the terminal."""

from rich.console import RenderableType
from rich.text import Text

from hasten.base.records.attribution import Attribution, InputKind
from hasten.report.attribution_words import headline, strongest
from hasten.report.terminal.layout import quiet, section

_PARTS = 4


def attribution_view(found: Attribution) -> RenderableType:
    """Return the checks, and each sample with the parts that its prediction comes from; images are on the page."""
    content: list[RenderableType] = [Text(f"→ {found.sentence}", style="bold")]
    content += [quiet(note) for note in found.notes]
    for sample in found.samples:
        content.append(Text.assemble(headline(sample), (f"  {sample.group.value}", "dim")))
        if found.kind is not InputKind.IMAGE:
            parts = (f"{one.name} {one.number}" for one in strongest(sample, _PARTS))
            content.append(quiet(f"  {'; '.join(parts)}"))
    content.append(quiet(f"{found.explained}, against {found.baseline}; {found.method.value}"))
    return section("Attribution", *content, note=found.task)
