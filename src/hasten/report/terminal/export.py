"""An exported model beside the trained one, on the terminal."""

from rich.console import RenderableType

from hasten.base.records.export import Exported, Format
from hasten.base.units import digits3, nbytes, plural, seconds
from hasten.report.terminal.layout import grid, quiet, section
from hasten.report.wording import faster, metric_name, metric_value


def export_view(found: Exported) -> RenderableType:
    """Return one line for each quantity: the trained model, the exported one, and how they compare."""
    head = ("", quiet("trained"), quiet("exported"), "")
    rows: list[tuple[RenderableType, ...]] = [
        head,
        ("size", nbytes(found.weights_nbytes), nbytes(found.nbytes), quiet("weights alone; the file")),
    ]
    if found.metric_name is not None:
        values = (metric_value(found.metric_name, one) for one in (found.metric_trained, found.metric_exported))
        rows.append((metric_name(found.metric_name), *values, quiet(plural(found.samples, "validation sample"))))
    for row in found.latencies:
        timed = row.comparison
        sides = (seconds(timed.step_time_a_s), seconds(timed.step_time_b_s))
        rows.append((f"batch of {row.batch_size}", *sides, faster(timed.ratio, "pair")))
    why = "int8" if found.format is Format.INT8 else "rounding"
    facts = (
        f"largest difference of an output: {digits3(found.largest_difference)} of the largest output ({why})",
        "takes batches of any size" if found.any_batch_size else "takes batches of one size",
        f"timed on {plural(found.threads, 'thread')}",
    )
    return section(
        "Export",
        grid(rows, right=frozenset({1, 2})),
        quiet("; ".join(facts)),
        *(quiet(f"! {note}") for note in found.notes),
        note=f"{found.task} as {found.format.value}: {found.path}",
    )
