"""The choice of a batch size on the terminal."""

from rich.console import RenderableType
from rich.text import Text

from hasten.base.records.batch_choice import BatchChoice, BatchTried, BatchVerdict
from hasten.base.units import count, digits3, seconds
from hasten.report.terminal.layout import grid, quiet, section

STYLES = {BatchVerdict.BETTER: "green", BatchVerdict.KEEP: "blue", BatchVerdict.FIXED: "yellow"}


def batch_view(found: BatchChoice) -> RenderableType:
    """Return the result, the sizes that were tried, the noise scale, and what it took."""
    content: list[RenderableType] = [Text(f"→ {found.sentence}", style=f"bold {STYLES[found.verdict]}")]
    if found.verdict is BatchVerdict.FIXED:
        return section("Batch size", *content, note=found.task)
    head = tuple(map(quiet, ("size", "samples/s", "predicted", "lr", "held-out loss", "")))
    content.append(grid([head, *(_row(one, found) for one in found.tried)], right=frozenset({0, 1, 2, 3, 4})))
    if found.own_rate_factor not in (None, 1.0):
        content.append(
            Text(f"! at your size, lr x{digits3(found.own_rate_factor or 1.0)} is better: hasten lr", style="yellow")
        )
    scale = "drowned in noise" if found.noise_scale is None else f"{count(round(found.noise_scale), 'samples')}"
    space = ", in the space of the optimizer's steps" if found.preconditioned else ""
    content.append(quiet(f"gradient noise scale: {scale}{space}; predicted: from speed and noise scale"))
    content.append(
        quiet(f"branches of {found.branch_steps} steps at your size and as long at others; {seconds(found.spent_s)}")
    )
    return section("Batch size", *content, note=found.task)


def _row(one: BatchTried, found: BatchChoice) -> tuple[Text, ...]:
    if not one.fits:
        return Text(f"{one.size}"), Text("does not fit", style="red"), Text(""), Text(""), Text(""), Text("")
    assert one.samples_per_s is not None, "what fits was timed"
    note = "yours" if one.size == found.own_size else ""
    return (
        Text(f"{one.size}", style="bold" if one.size == found.size else ""),
        Text(count(one.samples_per_s.value)),
        Text("" if one.predicted is None else f"{one.predicted:.2f}x"),
        Text("" if one.rate_factor is None else f"x{digits3(one.rate_factor)}"),
        Text("" if one.loss is None else f"{one.loss:.4g}"),
        quiet(note),
    )
