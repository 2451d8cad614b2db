"""What tuning finds, and what its gates let through, as a part of its page, made of `benchmarks/results/` alone."""

from collections.abc import Callable
from textwrap import fill
from typing import Any

from benchmarks.recording import RESULTS, quoted, recorded
from hasten.base.units import percent

BEGIN = "<!-- measured:begin (written by `python -m benchmarks.quote`) -->\n"
END = "<!-- measured:end -->"
SEARCHES = {"factorial": "this one", "one at a time": "each technique alone, then together (hasten's before)"}


def page(text: str) -> str:
    """Return the text of the page with the figures of today between its markers."""
    start, end = text.index(BEGIN) + len(BEGIN), text.index(END)
    said = [tell(recorded(name)) for name, tell in _TOLD.items() if (RESULTS / f"{name}.json").exists()]
    return text[:start] + "\n".join(said) + text[end:]


def _filled(text: str) -> str:
    return fill(text, 125, break_long_words=False, break_on_hyphens=False)


def _simulated(result: dict[str, Any]) -> str:
    rows = result["power"]
    budgets = sorted({row["budget_s"] for row in rows})
    lines = [
        _filled(
            "Of the speed of the best of 256 combinations of 8 techniques, on simulated machines with heavy "
            "tails, bursts of foreign load and differing builds (`benchmarks/tuning/search_power.py`, "
            f"{rows[0]['tunings']} tunings each), on average:"
        ),
        "",
        "| machine | search | " + " | ".join(f"{budget:.0f} s" for budget in budgets) + " |",
        "|---|---|" + "---|" * len(budgets),
    ]
    for machine in dict.fromkeys(row["machine"] for row in rows):
        for search, words in SEARCHES.items():
            found = {row["budget_s"]: row for row in rows if (row["machine"], row["search"]) == (machine, search)}
            shown = " | ".join(f"{found[budget]['speed of the best']:.3f}" for budget in budgets)
            lines.append(f"| {machine} | {words} | {shown} |")
    ours = [row for row in rows if row["search"] == "factorial"]
    harmed = f"{sum(row['kept something harmful'] for row in ours)} of {sum(row['tunings'] for row in ours)}"
    null = result["null"].values()
    wrong = f"{sum(one['called faster'] for one in null)} of {sum(one['tunings'] for one in null)}"
    gain = [row for row in result["gain"] if row["search"] == "factorial"][-1]
    missed = result["intervals"]
    ever = f"{sum(row['missed at any time'] for row in missed)} of {sum(row['intervals'] for row in missed)}"
    said = _filled(
        f"Something that makes training slower was kept in {harmed} tunings; a plan was called faster in "
        f"{wrong} in which nothing gains. A gain of 3 % among {gain['without effect beside it']} techniques "
        f"without effect was kept in {gain['kept']} of {gain['tunings']} tunings of 60 s. The interval of a "
        f"technique missed the truth at some time in {ever} cases."
    )
    return "\n".join([*lines, "", said, ""])


def _planted(result: dict[str, Any]) -> str:
    shown = {what: _rate(found) for what, found in result["summary"].items()}
    trainings = list(dict.fromkeys(row["training"] for row in result["rows"]))
    wrong = [row for row in result["rows"] if row["kept"] is (row["kind"] == "harmful")]
    misses = "; ".join(f"{row['case']} in {row['training']}" for row in wrong)
    said = (
        f"Planted techniques over {len(trainings)} small trainings ({', '.join(trainings)}), each harmful one "
        "with each guarantee that a gate can prove (`benchmarks/tuning/planted_techniques.py`): "
        f"{shown['harmful, rejected']} harmful ones were rejected and {shown['harmless, kept']} harmless ones passed "
        f"(wrong: {misses or 'none'}). Harmful are: {', '.join(result['harmful cases'])}."
    )
    return _filled(said) + "\n"


def _lagging(result: dict[str, Any]) -> str:
    found, cost = result["summary"], result["cost"]
    trainings = list(dict.fromkeys(row["training"] for row in result["cases"]))
    wrong = [row for row in result["cases"] if row["passed"] is False and row["truth"] == "not worse"]
    misses = "; ".join(f"{row['case']} in {row['training']}" for row in wrong)
    said = (
        f"Changes of the path or the model of {len(trainings)} small trainings ({', '.join(trainings)}; "
        f"{result['steps']} steps, {result['seeds']} seeds; `benchmarks/tuning/lagging.py`): of those after which "
        f"whole trainings are worse by 1 % and more, short branches refused {_rate(found['worse, refused'])}, and with "
        f"a whole training that misses the quality {_rate(found['worse, refused by either'])} were; of those that are "
        f"not worse, {_rate(found['not worse, let go on'])} went on (refused: {misses or 'none'}). What was refused "
        f"took {cost['refused']:.2f} of the steps of one whole training, what went on {cost['let go on']:.2f}, with "
        f"the baseline's branches. Of {result['unasked']} more, branches say nothing."
    )
    return _filled(said) + "\n"


def _rate(found: dict[str, Any]) -> str:
    return f"{found['count']} of {found['of']} [{found['low']:.3f}, {found['high']:.3f}]"


def _real(result: dict[str, Any]) -> str:
    lines = [
        _filled(
            "On real tasks: all combinations of some techniques, timed in turn, and the plans of tunings with "
            "the default budget, as a share of the speed of the best combination "
            "(`benchmarks/tuning/real_power.py`); how many of their intervals hold what the table, another process, "
            "shows of the plan; replayed: tunings on a simulated machine with the gains, the noise and the costs of "
            "that table, and how many of them found 95 % or more."
        ),
        "",
        "| task | blocks vary by | best combination | tunings: share | intervals that hold "
        "| replayed: mean (95 % or more) | search before |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, found in result["tasks"].items():
        best, ratio = next(iter(found["combinations"].items()))
        shares = ", ".join(_share(one["share"]) for one in found["shares"]) or "none"
        replays = [
            f"{one['mean']:.3f} ({one['at least 0.95']} of {one['tunings']})" if one else "none"
            for one in (found["replays"].get(search) for search in SEARCHES)
        ]
        clock = "processor, one thread" if found["processor"] else "wall"
        held = found.get("intervals that hold")
        hold = "not counted" if held is None else f"{sum(held)} of {len(held)}"
        low, high = found["load"]
        lines.append(
            f"| {name} ({clock}, load {low:.0f} to {high:.0f}) | {percent(found['noise of a block'])} "
            f"| {best.replace('+', ', ')}: {quoted(ratio)} | {shares} | {hold} | {replays[0]} | {replays[1]} |"
        )
    return "\n".join([*lines, ""])


def _share(share: float | None) -> str:
    """Return a share of the best speed; a plan may hold a technique that the table has not timed."""
    return "not in the table" if share is None else f"{share:.3f}"


def _inside(result: dict[str, Any]) -> str:
    cost, pairs = result["cost"], result["pairs_s"]
    extra_s = sum(inside_s - known_s for inside_s, known_s in pairs) / len(pairs)
    known_s = sum(known_s for _, known_s in pairs) / len(pairs)
    said = (
        f"{', '.join(result['plan'])}, found inside a training of `{result['task']}` of {known_s:.0f} s on one "
        f"core, cost {quoted(cost, 3)} of the same training with the plan known (`benchmarks/tuning/autotune.py`), "
        f"{extra_s:.1f} s. Most of it are the numerical gates before the training begins, which do not grow with it."
    )
    return _filled(said) + "\n"


def _covered(result: dict[str, Any]) -> str:
    lines = [
        _filled(
            "Intervals of the last measurement of a tuning, on real pairs of blocks "
            "(`benchmarks/tuning/real_coverage.py`): of the baseline against itself, where the truth is 1, and of a "
            "plan, where it is what the other pairs of the same process show, minutes of them. Noise and drift are "
            "those of the half minute before, as a search knows them. How many of them hold the truth, which should "
            "be 95 %, and after the semicolon those that hold what other processes show, at other times:"
        ),
        "",
        "| task | plan | gain in each process | pairs vary by | of 5 pairs | of 10 | of 40 |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in result["rows"]:
        held = [
            f"{found['held']['share']:.3f} ({found['held']['right']} of {found['held']['n']}); {_elsewhere(found)}"
            for found in row["coverage"]
        ]
        gains = ", ".join(f"{one:.3f}" for one in row["processes"])
        noise = percent(sum(row["noise of a pair"]) / len(row["noise of a pair"]))
        plan = row["plan"].replace("+", ", ") or "the baseline again"
        lines.append(f"| {row['task']} | {plan} | {gains} | {noise} | {' | '.join(held)} |")
    return "\n".join([*lines, ""])


def _elsewhere(found: dict[str, Any]) -> str:
    other = found["held in other processes"]
    return f"{other['share']:.3f}" if other else "one process"


_TOLD: dict[str, Callable[[dict[str, Any]], str]] = {
    "search_power": _simulated,
    "real_power": _real,
    "planted_techniques": _planted,
    "lagging": _lagging,
    "autotune": _inside,
    "real_coverage": _covered,
}
