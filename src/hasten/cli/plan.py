"""`hasten plan`: how several devices should share a training, before there is one of them."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from hasten.base.errors import BadInput
from hasten.base.records.layout import LATENCY_S, LINK_BYTES_PER_S, LayoutPlan, Links, Nodes
from hasten.base.units import parse_bytes
from hasten.cli.json_output import write_json
from hasten.cli.options import AsJson, DataPath, TaskName, chosen_task
from hasten.cli.sources import DataOptions, takes_data_options

EXAMPLES = (
    "hasten plan digits --devices 8 --memory 80GB",
    "hasten plan my_task.py --devices 64 --link-gbps 400 --latency-us 10 -o plan.toml",
    "hasten plan my_task.py --devices 16 --devices-per-node 8 --link-gbps 2400 --latency-us 5 --node-gbps 400 "
    "--node-latency-us 20",
)


@takes_data_options("--column")
def plan(
    task: TaskName,
    devices: Annotated[int, typer.Option("--devices", min=1, metavar="N", help="Devices that may be used.")],
    memory: Annotated[
        str | None, typer.Option("--memory", metavar="80GB", help="Memory of a device (default: of one here).")
    ] = None,
    link_gbps: Annotated[
        float | None,
        typer.Option("--link-gbps", metavar="X", help="Gbit/s between two devices (default: measured, else 100)."),
    ] = None,
    latency_us: Annotated[
        float | None,
        typer.Option("--latency-us", metavar="X", help="Microseconds of a message (default: measured, else 20)."),
    ] = None,
    devices_per_node: Annotated[
        int | None,
        typer.Option("--devices-per-node", min=1, metavar="N", help="Devices of each machine (default: one machine)."),
    ] = None,
    node_gbps: Annotated[
        float | None,
        typer.Option("--node-gbps", metavar="X", help="Gbit/s of a machine to others, all its devices (default: 100)."),
    ] = None,
    node_latency_us: Annotated[
        float | None,
        typer.Option("--node-latency-us", metavar="X", help="Microseconds between machines (default: 20)."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="FILE", help="Write the plan of the best layout to this file.")
    ] = None,
    data: DataPath = None,
    *,
    options: DataOptions,
    as_json: AsJson = False,
) -> None:
    """Predict memory and time of ways to share a training among devices, and say which do not fit."""
    from hasten import api
    from hasten.report.terminal import Screen
    from hasten.techniques.plan_file import write_plan

    limit = None if memory is None else parse_bytes(memory)
    links, nodes = _links(link_gbps, latency_us), _nodes(devices, devices_per_node, node_gbps, node_latency_us)
    chosen = chosen_task(task, data=data, options=options)
    with Screen() as screen:
        found = api.find_layout(
            chosen,
            devices=devices,
            memory_limit=limit,
            links=links,
            nodes=nodes,
            show=(lambda record: None) if as_json else screen.show,
        )
        if out is not None and found.usable:
            write_plan(found.plan, out)
        if as_json:
            write_json(found)
            return
        screen.show(found)
        if out is not None and found.usable:
            screen.say(f"plan: {out}")
        given = {
            "--memory": memory,
            "--link-gbps": link_gbps,
            "--latency-us": latency_us,
            "--devices-per-node": devices_per_node,
            "--node-gbps": node_gbps,
            "--node-latency-us": node_latency_us,
        }
        screen.next(next_command(found, chosen.command, out, given))


def _links(gbps: float | None, latency_us: float | None) -> Links | None:
    """Return the links that were given, None where they are to be measured or assumed."""
    if gbps is None and latency_us is None:
        return None
    if gbps is None or latency_us is None:
        raise BadInput("--link-gbps and --latency-us describe a link together: pass both, or none to measure it.")
    latency_s, bytes_per_s = _link(gbps, latency_us, "--link-gbps", "--latency-us")
    return Links(latency_s=latency_s, bytes_per_s=bytes_per_s, overlap=0.0)


def _nodes(devices: int, each: int | None, gbps: float | None, latency_us: float | None) -> Nodes | None:
    """Return the nodes that the devices are in, None for one."""
    if each is None:
        if gbps is not None or latency_us is not None:
            raise BadInput(
                "--node-gbps and --node-latency-us describe a link of machines: pass --devices-per-node, too."
            )
        return None
    if devices <= each or devices % each:
        raise BadInput(
            f"--devices must be a multiple of --devices-per-node, for two machines or more; found {devices} and "
            f"{each}. Leave --devices-per-node out for one machine."
        )
    latency_s, bytes_per_s = LATENCY_S, LINK_BYTES_PER_S
    if gbps is not None or latency_us is not None:
        if gbps is None or latency_us is None:
            raise BadInput("--node-gbps and --node-latency-us describe a link together: pass both, or none.")
        latency_s, bytes_per_s = _link(gbps, latency_us, "--node-gbps", "--node-latency-us")
    return Nodes(devices=each, latency_s=latency_s, bytes_per_s=bytes_per_s)


def _link(gbps: float, latency_us: float, *options: str) -> tuple[float, float]:
    """Return latency in seconds, and bytes per second."""
    if gbps <= 0 or latency_us < 0:
        raise BadInput(
            f"a link needs {options[0]} above 0 and {options[1]} of at least 0; found {gbps:g} and {latency_us:g}."
        )
    return latency_us * 1e-6, gbps * 1e9 / 8


def next_command(found: LayoutPlan, task: str, out: Path | None, given: Mapping[str, str | float | None]) -> str:
    """Return the command that runs the best layout, or the same one that writes its plan first.

    Args:
        found: the layouts.
        task: as it is typed.
        out: the plan's file.
        given: the other options that may have been typed, None where one was not.
    """
    if not found.usable:
        return f"hasten batch {task}"
    best = found.usable[0].layout
    if best.choices and out is None:
        typed = [word for name, value in given.items() if value is not None for word in (name, f"{value}")]
        return f"hasten plan {task} {shlex.join(['--devices', f'{found.devices}', *typed, '-o', 'plan.toml'])}"
    words = "" if best.processes == 1 else f" --processes {best.processes}"
    return f"hasten train {task}{words}{'' if out is None else f' --plan {shlex.quote(str(out))}'}"
