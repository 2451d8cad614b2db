"""The choice of the learning rate as a part of its page of the docs, made of `benchmarks/results/` alone."""

from typing import Any

from benchmarks.recording import recorded

BEGIN = "<!-- measured:begin (written by `python -m benchmarks.quote`) -->\n"
END = "<!-- measured:end -->"


def page(text: str) -> str:
    """Return the text of the page with the figures of today between its markers."""
    start, end = text.index(BEGIN) + len(BEGIN), text.index(END)
    return text[:start] + _measured() + text[end:]


def _measured() -> str:
    said = recorded("lr_choice")
    rows, asked, within = said["workloads"], said["asked"], said["within"]
    fewest, most = (least(len(row["chosen"]) for row in rows) for least in (min, max))
    searches = f"{most}" if fewest == most else f"{fewest} to {most}"
    lines = [
        f"Final loss over that of the best rate of the curve, minus 1; means of {searches} searches with other seeds "
        f"({said['cpu']}, torch {said['torch']}, {said['made_at'][:10]}):",
        "",
        "| training | your rate, best rate | with yours | with the chosen one | chosen | spread | seeds differ by |",
        "|---|---|---|---|---|---|---|",
        *map(_row, rows),
        "",
        f"Within 1 / 2 / 5 % are {' / '.join(str(one) for one in within.values())} of {len(rows)}; the goal is "
        f"{asked['workloads']} within {100 * asked['regret']:g} %. The spread is exp of the standard deviation of "
        f"log(chosen rate): at most {asked['range']} on {sum(row['spread'] <= asked['range'] for row in rows)} of "
        f"{len(rows)}. A search makes {min(row['updates'] for row in rows):,.0f} to "
        f"{max(row['updates'] for row in rows):,.0f} updates, which is {100 * asked['cost']:g} % of a training of "
        f"{max(row['updates'] for row in rows) / asked['cost'] / 1000:,.0f},000 and more than most of these take.",
    ]
    return "\n".join(lines) + "\n"


def _row(row: dict[str, Any]) -> str:
    chosen = f"{min(row['chosen']):.2g} to {max(row['chosen']):.2g}"
    return (
        f"| {row['name']} | {row['own_rate']:.2g}, {row['smooth_best_rate']:.2g} | {100 * row['own_regret']:.1f} % | "
        f"{100 * row['regret']:.1f} % | {chosen} | x{row['spread']:.2f} | {100 * row['seed_noise']:.1f} % |"
    )
