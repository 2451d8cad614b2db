"""Several processes against one as a part of their page of the docs, made of `benchmarks/results/` alone."""

from statistics import median
from typing import Any

from benchmarks.recording import RESULTS, quoted, recorded

BEGIN = "<!-- measured:begin (written by `python -m benchmarks.quote`) -->\n"
END = "<!-- measured:end -->"
KNOWN = ("fashion-mnist", "shakespeare")


def page(text: str) -> str:
    """Return the text of the page with the figures of today between its markers."""
    start, end = text.index(BEGIN) + len(BEGIN), text.index(END)
    said = [tell() for name, tell in _TOLD.items() if (RESULTS / f"{name}.json").exists()]
    return text[:start] + "\n".join(said) + text[end:]


def _scaling() -> str:
    said = recorded("scaling")
    found, cores = said["found"], said["cores_used"]
    tasks = [task for task in KNOWN if task in found]
    other = said["load"][0]  # before its first part; after that it is the benchmark's own, up to five processes at once
    if other > said["cores_used"]:
        wanted = f"while {other:.0f} other processes wanted {said['cores']} cores"
        return (
            f"`benchmarks/results/scaling.json` was measured {wanted}.\n"
            f"Its times are not those of a quiet machine and are not quoted.\n{_sent(found, tasks)}\n"
        )
    lines = [
        f"One process with {cores} threads against {cores} processes with one each ({_machine(said)}); "
        f"above 1 is faster than one process:",
        "",
        "| speed, 95 % interval | " + " | ".join(tasks) + " |",
        "|---|" + "---|" * len(tasks),
    ]
    ways = [name for name in found[tasks[0]] if name != "seconds"]
    lines += [f"| {way} | {' | '.join(_interval(found[task][way]) for task in tasks)} |" for way in ways]
    lines += [
        "",
        f"Load of the machine before the benchmark, and after each of its parts, its own included: {_load(said)}.",
        "",
        "Weak scaling, processes of one thread with a batch each, predicted as `hasten plan` does from one process:",
        "",
        "| step | " + " | ".join(f"{task}, measured | predicted / measured" for task in tasks) + " |",
        "|---|" + "---|---|" * len(tasks),
    ]
    for count in (1, 2, 4):
        cells = list[str]()
        for task in tasks:
            weak, name = found[f"{task}, weak"], f"{count} processes"
            cells += [f"{1e3 * median(weak['seconds'][name]):.1f} ms", _interval(weak["predicted_over_measured"][name])]
        lines.append(f"| {count} process{'es' * (count > 1)} | {' | '.join(cells)} |")
    lines += ["", _sent(found, tasks), "", _to_1024(found, tasks), ""]
    return "\n".join(lines)


def _to_target() -> str:
    """Return what whole trainings by processes and by threads take to a target."""
    said = recorded("to_target")
    rows = list[str]()
    for task, one in said["tasks"].items():
        (_, alone), (count, several) = one["found"].items()
        seconds = [f"{median(second for second, _ in some):.0f} s" for some in (alone, several)]
        rows.append(f"| {task} | {one['target']:g} | {seconds[0]} | {seconds[1]} | {_interval(one['speedup'])} |")
    lines = [
        f"Whole trainings to a target from the same seeds, {count} processes of one thread against one process "
        f"({_machine(said)}); above 1 is faster than one process:",
        "",
        "| task | target | one process | processes | speed, 95 % interval |",
        "|---|---|---|---|---|",
        *rows,
    ]
    return "\n".join(lines) + "\n"


def _machine(said: dict[str, Any]) -> str:
    return f"{said['cpu']}, {said['cores']} cores, torch {said['torch']}, {said['made_at'][:10]}"


def _load(said: dict[str, Any]) -> str:
    """Return how many processes wanted a core, before the benchmark and after each of its parts."""
    return ", ".join(f"{one:.1f}" for one in said["load"])


def _sent(found: dict[str, Any], tasks: list[str]) -> str:
    """Return how far what was sent is from the theory."""
    rows = [row for task in tasks for row in found[f"{task}, sent"].values()]
    off = max(abs(sum(row["counted_bytes"].values()) / row["theory_bytes"] - 1) for row in rows)
    off_by = f"at most {100 * off:.1g} % in {len(rows)} runs"
    return f"What collectives were given to send in a step differs from the table above by {off_by}."


def _to_1024(found: dict[str, Any], tasks: list[str]) -> str:
    """Return what the same arithmetic says of many devices like one core, with links like this machine's."""
    said = list[str]()
    for task in tasks:
        rows = {row["devices"]: row for row in found[f"{task}, to 1024"]}
        shares = [f"{rows[1]['ddp'] / rows[count]['ddp']:.2f} on {count}" for count in (8, 64, 1024)]
        said.append(f"{task} {', '.join(shares)}")
    return (
        f"Predicted efficiency of `ddp`, a batch for each device like one core here, links as here: {'; '.join(said)}."
    )


def _checkpoints() -> str:
    """Return what a checkpoint costs the steps beside it."""
    said = recorded("checkpoint_cost")
    rows = [
        f"| {task} | {median(one['block_s']['none']) / said['every'] * 1e3:.0f} ms | "
        f"{one['checkpoint_bytes'] / 2**20:.1f} MiB | {_interval(one['thread'])} | {_interval(one['waiting'])} |"
        for task, one in said["found"].items()
    ]
    lines = [
        f"Time of {said['every']} steps with one checkpoint over that without ({_machine(said)}); 1.02 is 2 % slower:",
        "",
        "| task | step | checkpoint | written beside the steps | written between two steps |",
        "|---|---|---|---|---|",
        *rows,
    ]
    return "\n".join(lines) + "\n"


def _divided_checkpoints() -> str:
    """Return what a checkpoint costs processes of which each writes its part."""
    said = recorded("divided_checkpoints")
    found, machine = (
        said["found"],
        f"{said['cpu']}, {said['cores']} cores, torch {said['torch']}, {said['made_at'][:10]}",
    )
    part, whole = (size / 2**20 for size in (max(found["part_bytes"]), found["whole_bytes"]))
    return (
        f"With `fsdp` in {said['processes']} processes, a perceptron of width "
        f"{said['width']}, {said['every']} steps with one checkpoint over those without ({machine}): "
        f"{_interval(found['parts'])} where each process writes its part of {part:.1f} MiB, "
        f"{_interval(found['gathered'])} where the state of {whole:.1f} MiB is gathered and written by the first.\n"
    )


def _resident() -> str:
    """Return what processes take of memory in each layout."""
    said = recorded("resident")
    found, tasks = said["found"], list(said["found"])
    rows = {task: {row["layout"]: row for row in found[task]} for task in tasks}
    labels = list(dict.fromkeys(label for task in tasks for label in rows[task]))
    lines = [
        f"Resident memory that a process grew by at most, {said['rounds']} rounds in new processes ({_machine(said)}), "
        "and what was predicted over it; below 1 took more:",
        "",
        "| layout | " + " | ".join(f"{task}, taken | predicted / taken" for task in tasks) + " |",
        "|---|" + "---|---|" * len(tasks),
    ]
    for label in labels:
        cells = list[str]()
        for task in tasks:
            row = rows[task].get(label)
            cells += ["", ""] if row is None else [_mebibytes(row["taken_bytes"]), _interval(row["off"])]
        lines.append(f"| {label} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _mebibytes(taken: list[int]) -> str:
    return f"{median(taken) / 2**20:.0f} MiB"


_TOLD = {
    "scaling": _scaling,
    "to_target": _to_target,
    "checkpoint_cost": _checkpoints,
    "divided_checkpoints": _divided_checkpoints,
    "resident": _resident,
}
"""Result -> what the page says of it."""


def _interval(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.2f}"
    return quoted(value)
