"""Several processes against one as a part of their page of the docs, made of `benchmarks/results/` alone."""

from statistics import median
from typing import Any

from benchmarks.recording import RESULTS, recorded

BEGIN = "<!-- measured:begin (written by `python -m benchmarks.quote`) -->\n"
END = "<!-- measured:end -->"
TASKS = ("fashion-mnist", "shakespeare")


def page(text: str) -> str:
    """Return the text of the page with the figures of today between its markers."""
    start, end = text.index(BEGIN) + len(BEGIN), text.index(END)
    return text[:start] + (_measured() if (RESULTS / "scaling.json").exists() else "") + text[end:]


def _measured() -> str:
    said = recorded("scaling")
    found, cores = said["found"], said["cores_used"]
    machine = f"{said['cpu']}, {said['cores']} cores, torch {said['torch']}, {said['made_at'][:10]}"
    lines = [
        f"One process with {cores} threads against {cores} processes with one each ({machine}); "
        f"above 1 is faster than one process:",
        "",
        "| speed, 95 % interval | " + " | ".join(TASKS) + " |",
        "|---|" + "---|" * len(TASKS),
    ]
    ways = [name for name in found[TASKS[0]] if name != "seconds"]
    lines += [f"| {way} | {' | '.join(_interval(found[task][way]) for task in TASKS)} |" for way in ways]
    targets = [found[f"{task}, to target"] for task in TASKS]
    several = next(name for name in targets[0] if name.endswith("processes"))
    lines.append(f"| {several}, time to the target | {' | '.join(_interval(one[several]) for one in targets)} |")
    lines += [
        "",
        "Weak scaling, processes of one thread with a batch each, predicted as `hasten plan` does from one process:",
        "",
        "| step | " + " | ".join(f"{task}, measured | predicted / measured" for task in TASKS) + " |",
        "|---|" + "---|---|" * len(TASKS),
    ]
    for count in (1, 2, 4):
        cells = list[str]()
        for task in TASKS:
            weak, name = found[f"{task}, weak"], f"{count} processes"
            cells += [f"{1e3 * median(weak['seconds'][name]):.1f} ms", _interval(weak["predicted_over_measured"][name])]
        lines.append(f"| {count} process{'es' * (count > 1)} | {' | '.join(cells)} |")
    lines += ["", _sent(found), "", _to_1024(found), ""]
    return "\n".join(lines)


def _sent(found: dict[str, Any]) -> str:
    """Return how far what was sent is from the theory."""
    rows = [row for task in TASKS for row in found[f"{task}, sent"].values()]
    off = max(abs(sum(row["counted_bytes"].values()) / row["theory_bytes"] - 1) for row in rows)
    off_by = f"at most {100 * off:.1g} % in {len(rows)} runs"
    return f"What collectives were given to send in a step differs from the table above by {off_by}."


def _to_1024(found: dict[str, Any]) -> str:
    """Return what the same arithmetic says of many devices like one core, with links like this machine's."""
    said = list[str]()
    for task in TASKS:
        rows = {row["devices"]: row for row in found[f"{task}, to 1024"]}
        shares = [f"{rows[1]['ddp'] / rows[count]['ddp']:.2f} on {count}" for count in (8, 64, 1024)]
        said.append(f"{task} {', '.join(shares)}")
    return (
        f"Predicted efficiency of `ddp`, a batch for each device like one core here, links as here: {'; '.join(said)}."
    )


def _interval(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.2f}"
    return f"{value['value']:.2f} [{value['low']:.2f}, {value['high']:.2f}], n = {value['n']}"
