"""The tables of the techniques as a page of the docs, made of `benchmarks/results/` alone."""

from typing import Any

from benchmarks.recording import RESULTS, quoted, recorded
from hasten.base.units import nbytes, seconds

TASKS = ("fashion-mnist", "shakespeare", "imdb", "housing")
CASES = "technique_cases"
LITTLE = 0.05
"""A peak of memory that differs by less is called the same."""
GOOD = frozenset({"faster", "less memory", "lower loss"})
BAD = frozenset({"slower", "higher loss", "breaks its guarantee"})
"""More memory alone hurts nobody who has it."""

HEAD = """# What each technique gave

Written by `python -m benchmarks.quote` from the results of `benchmarks/techniques/table.py` and
`benchmarks/techniques/cases.py`; nothing here is typed by hand. Each technique stands alone beside plain PyTorch.

- **speed**: time per sample of the plain training over that with the technique, 95 % interval, n pairs of blocks timed
  in turn. Above 1 is faster. The interval holds whenever the comparison stopped; with few pairs it has no end.
- **memory**: tensor memory of a step at its peak over the plain step's. Compiled code cannot be watched.
- **guarantee**: what the technique promises, and whether it passed its numerical gate. TRAJECTORY and MODEL change the
  training on purpose: their proof is the loss.
- **loss**: validation loss at the end of a short training over the plain one's, from the same seeds, with Student's t
  interval over the seeds. Below 1 is better. A short training says little about a long one.
"""


def page() -> str:
    """Return the page, with a section for each task and for the cases that were measured."""
    sections = [
        task(recorded(name))
        for name in (f"technique_table_{one}" for one in TASKS)
        if (RESULTS / f"{name}.json").exists()
    ]
    if (RESULTS / f"{CASES}.json").exists():
        sections.append(cases(recorded(CASES)))
    return "\n".join([HEAD, *sections])


def task(result: dict[str, Any]) -> str:
    """Return the section of one task."""
    space = f" and {nbytes(result['peak_bytes'])}" if result["peak_bytes"] else ""
    lines = [
        f"## `{result['task']}`",
        "",
        f"{machine(result)}. A plain step of {result['batch_size']} samples takes {seconds(result['step_s'])}{space}; "
        f"timed against itself it came to "
        f"{interval(result['noise']['ratio'])}. The short trainings make {result['short_epochs']} epochs of "
        f"{result['short_samples']:,} samples; the plain ones end at a loss of {spread(result['plain_losses'])}.",
        *([] if result["complete"] else ["", "This table is not complete: its benchmark ended early."]),
        "",
        "| technique | speed | memory | guarantee | loss | in a word |",
        "|---|---|---|---|---|---|",
    ]
    made = [row for row in result["rows"] if "reason" not in row]
    for row in sorted(made, key=lambda row: -row["ratio"]["value"]):
        cells = (row["technique"], interval(row["ratio"]), memory(row, result["peak_bytes"]), guarantee(row), loss(row))
        lines.append(f"| {' | '.join(cells)} | {in_a_word(row, result['peak_bytes'])} |")
    for verdict in ("failed", "refused"):
        said = [f"- `{row['technique']}`: {row['reason']}" for row in result["rows"] if row.get("verdict") == verdict]
        lines += ["", f"{verdict.capitalize()}:", "", *said] if said else []
    return "\n".join([*lines, ""])


def cases(result: dict[str, Any]) -> str:
    """Return the section of the techniques that have a case of their own."""
    lines = [
        "## Cases that fit",
        "",
        f"{machine(result)}. Techniques that refuse the tasks above, each on a small case that it is for.",
        "",
        "| technique | case | speed | memory | guarantee | in a word |",
        "|---|---|---|---|---|---|",
    ]
    for row in (row for row in result["rows"] if "reason" not in row):
        cells = (
            row["technique"],
            row["case"],
            interval(row["ratio"]),
            memory(row, row["plain_peak_bytes"]),
            guarantee(row),
        )
        lines.append(f"| {' | '.join(cells)} | {in_a_word(row, row['plain_peak_bytes'])} |")
    broken = [row for row in result["rows"] if "reason" in row]
    said = [f"- `{row['technique']}`: {row['reason']}" for row in (*broken, *result["not_measured"])]
    lines += ["", "Not measured on this machine:", "", *said] if said else []
    return "\n".join([*lines, ""])


def machine(result: dict[str, Any]) -> str:
    """Return what a result was measured on."""
    return f"{result['cpu']}, {result['cores']} cores, torch {result['torch']}, {result['made_at'][:10]}"


def interval(value: dict[str, Any]) -> str:
    """Return an interval; where it is too wide to be worth its digits, without its ends."""
    if value["low"] * 10 < value["high"]:
        return f"{value['value']:.2f}, n = {value['n']}: too few"
    return quoted(value)


def spread(losses: list[float]) -> str:
    """Return the losses of the seeds."""
    return f"{min(losses):.4g} to {max(losses):.4g} over {len(losses)} seeds"


def memory(row: dict[str, Any], plain: int | None) -> str:
    """Return the peak of memory over the plain one."""
    return f"{row['peak_bytes'] / plain:.2f}" if row["peak_bytes"] and plain else "not watched"


def guarantee(row: dict[str, Any]) -> str:
    """Return what is promised, and whether it was found kept."""
    gate = row.get("gate")
    if gate is None:
        return str(row["guarantee"])
    found = gate if isinstance(gate, str) else "kept" if gate["passed"] else f"**broken**: {gate['detail']}"
    return f"{row['guarantee']}, {found}"


def loss(row: dict[str, Any]) -> str:
    """Return the validation loss over the plain one."""
    if "losses" not in row:
        return ""
    change = row["change"]
    if change is None:
        return "did not end in time"
    if change["value"] is None:
        return "not finite"
    return quoted(change, 3)


def in_a_word(row: dict[str, Any], plain: int | None) -> str:
    """Return what is better and what is worse beyond doubt; a technique hurts where nothing is better."""
    said: list[str] = [row["verdict"]] if row["verdict"] in ("faster", "slower") else []
    if row["peak_bytes"] and plain and abs(row["peak_bytes"] / plain - 1) > LITTLE:
        said.append("less memory" if row["peak_bytes"] < plain else "more memory")
    change = row.get("change")
    if change and change["low"] is None:
        said.append("higher loss")
    elif change and not change["low"] <= 1 <= change["high"]:
        said.append("lower loss" if change["high"] < 1 else "higher loss")
    if isinstance(row.get("gate"), dict) and not row["gate"]["passed"]:
        said.append("breaks its guarantee")
    if "breaks its guarantee" in said or (not GOOD & set(said) and BAD & set(said)):
        return f"**hurts**: {', '.join(said)}"
    return ", ".join(said) or "no clear difference"
