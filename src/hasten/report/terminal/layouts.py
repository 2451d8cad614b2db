"""Ways to share a training among devices on the terminal."""

from rich.console import RenderableType
from rich.text import Text

from hasten.base.records.layout import LayoutCost, LayoutMeasured, LayoutPlan, LayoutTuning
from hasten.base.units import count, nbytes, percent, plural, seconds
from hasten.report.terminal.layout import grid, quiet, section


def layout_plan_view(found: LayoutPlan) -> RenderableType:
    """Return the layouts that fit, the fastest first, the others with the reason, and what the prediction rests on."""
    content: list[RenderableType] = []
    if found.counted_steps:
        content.append(
            Text(
                "! The training does not fit into this machine. No step was made: memory is counted on tensors without "
                "any, and times follow from the operations and this machine's peaks.",
                style="yellow",
            )
        )
    if usable := found.usable:
        content.append(Text(f"→ {usable[0].layout.label}: {_gain(found)}", style="bold green"))
    else:
        content.append(Text(f"→ no layout fits into {nbytes(found.memory_bytes)} a device", style="bold yellow"))
    head = tuple(map(quiet, ("step", "80 % band", "memory", "sent", "layout")))
    if usable:
        content.append(grid([head, *map(_row, usable)], right=frozenset({0, 1, 2, 3})))
    if others := found.other_trainings:
        content.append(Text("Not the same training (the weights take another path):"))
        content.append(grid([head, *map(_row, others)], right=frozenset({0, 1, 2, 3})))
        content.append(quiet(_on_slow_links(found)))
    if refused := [one for one in found.costs if one.why_not]:
        content.append(Text("Not usable:"))
        content += [Text.assemble(f"  {one.layout.label}: ", (one.why_not, "dim")) for one in refused]
    links = "measured between two processes" if found.measured_links else "assumed"
    content.append(
        quiet(
            f"links {links}: {seconds(found.links.latency_s)} latency, {count(found.links.bytes_per_s, 'B/s')}, "
            f"{percent(found.links.overlap)} overlap"
        )
    )
    if (nodes := found.links.nodes) is not None:
        content.append(
            quiet(
                f"between nodes of {plural(nodes.devices, 'device')}: {seconds(nodes.latency_s)} latency, "
                f"{count(nodes.bytes_per_s, 'B/s')} for all of a node"
            )
        )
    times, source = found.times, "counted" if found.counted_steps else "measured here"
    content.append(
        quiet(
            f"{source}: {seconds(times.pass_s)} a pass + {seconds(times.sample_s)} a sample, "
            f"{seconds(times.update_s)} an update; {nbytes(found.memory.state_bytes)} of optimizer state"
        )
    )
    content += [quiet(f"assumed: {one}") for one in found.assumptions]
    return section("Layouts", *content, note=f"{found.task}, {plural(found.batch_size, 'sample')} a step")


def _gain(found: LayoutPlan) -> str:
    best = found.usable[0]
    alone = next((one for one in found.usable if one.layout.processes == 1), None)
    if best is alone:
        if len(found.usable) == 1:
            return "no other layout can be used" if found.devices > 1 else "the only layout on one device"
        return "several processes are predicted to be slower"
    if alone is None:
        return f"predicted {seconds(best.step_s.value)} a step; one process does not fit"
    return f"predicted {alone.step_s.value / best.step_s.value:.2f}x as fast as one process"


def _on_slow_links(found: LayoutPlan) -> str:
    """Return what trainings that send less take where links have a tenth of the bandwidth, beside the fastest other."""
    several = [one for one in (*found.usable, *found.other_trainings) if one.layout.processes > 1]
    same = min((one for one in several if one.layout.same_training), key=lambda one: one.slow_step_s, default=None)
    others = sorted(found.other_trainings, key=lambda one: one.slow_step_s)
    told = [f"{one.layout.label} {seconds(one.slow_step_s)}" for one in ([same] if same else []) + others]
    return f"on links of a tenth of the bandwidth, a step: {'; '.join(told)}"


def _row(one: LayoutCost) -> tuple[Text, ...]:
    step = one.step_s
    told = "" if one.divided is None else f"  {percent(one.divided)} of the parameters divided"
    if one.waiting is not None:
        told = f"  waits {percent(one.waiting)} of the passes"
    return (
        Text(seconds(step.value)),
        quiet(f"{step.low / step.value - 1:+.0%} {step.high / step.value - 1:+.0%}"),
        Text(nbytes(one.memory_bytes)),
        Text(nbytes(one.sent_bytes)),
        Text.assemble(one.layout.label, quiet(told)),
    )


def layout_tuning_view(found: LayoutTuning) -> RenderableType:
    """Return which layout to use, and each one as predicted and as measured."""
    best = found.best
    if found.chosen == 0:
        headline = Text(f"→ one process: no layout of {found.processes} processes is surely faster", style="bold blue")
    else:
        headline = Text(f"→ {best.predicted.layout.label}: {_ratio(best)} as fast as one process", style="bold green")
    head = tuple(map(quiet, ("measured", "predicted", "off by", "speed-up", "gradient", "layout")))
    rows = [head, *(_measured_row(one) for one in found.measured)]
    trials = f"{plural(found.rounds, 'round')} of trials in new processes, {found.steps} steps each"
    return section(
        "Layouts, measured",
        headline,
        grid(rows, right=frozenset({0, 1, 2})),
        quiet(f"{trials}; {seconds(found.spent_s)}. Intervals hold together with 95 %."),
        quiet("off by: predicted over measured; gradient: largest error of a tensor against one process"),
        *([Text(f"! {found.remark}", style="yellow")] if found.remark else []),
        note=found.task,
    )


def _measured_row(one: LayoutMeasured) -> tuple[Text, ...]:
    predicted, label = one.predicted.step_s.value, one.predicted.layout.label
    if one.step_s is None:
        reason = Text.assemble(label, (f": {one.why_not}", "red"))
        return Text(""), Text(seconds(predicted)), Text(""), Text(""), Text(""), reason
    return (
        Text(seconds(one.step_s.value)),
        Text(seconds(predicted)),
        Text(f"{predicted / one.step_s.value - 1:+.0%}"),
        Text("" if one.speedup is None else _ratio(one)),
        Text("" if one.speedup is None or one.gradient_error is None else f"{one.gradient_error:.0e}"),
        Text.assemble(label, (f": {one.why_not}" if one.why_not else "", "red")),
    )


def _ratio(one: LayoutMeasured) -> str:
    assert one.speedup is not None, "one process has none"
    return f"{one.speedup.value:.2f}x [{one.speedup.low:.2f}, {one.speedup.high:.2f}]"
