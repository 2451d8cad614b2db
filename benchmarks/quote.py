"""Write the figures of `benchmarks/results/` into the README, between its markers, and the tables of the techniques,
the score of the doctor, the scaling over processes, the power of tuning and the choice of the learning rate into pages
of the docs: no number is typed by hand.

python -m benchmarks.quote            # write
python -m benchmarks.quote --check    # exit with 1 if one of them says something else
"""

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import quote_doctor, quote_parallel, quote_rate, quote_tuning
from benchmarks.quote_techniques import page
from benchmarks.recording import RESULTS, quoted, recorded
from hasten.measurement.statistics import few_ratios

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
TECHNIQUES = ROOT / "docs" / "measured_techniques.md"
DOCTOR = ROOT / "docs" / "doctor.md"
DEVICES = ROOT / "docs" / "many_devices.md"
TUNING = ROOT / "docs" / "tuning.md"
RATE = ROOT / "docs" / "learning_rate.md"
BEGIN = "<!-- measured:begin (written by `python -m benchmarks.quote`) -->\n"
END = "<!-- measured:end -->"


def machine(result: dict[str, Any]) -> str:
    """Return what a result was measured on."""
    what = f"{result['cpu']}, {result['cores']} cores" if "cpu" in result else result["device"]
    return f"{what}, torch {result['torch']}, {result['made_at'][:10]}"


def pipeline(result: dict[str, Any]) -> list[str]:
    """Return the rows of one task's time to target."""
    rows: list[str] = []
    metric = result["results"]["baseline"][0]["metric_name"]
    for row in result["rows"]:
        what = "free techniques" if row["side"] == "plan" else "with a TRAJECTORY technique"
        tuning = result["tunings"].get(row["side"], result["tunings"]["plan"])
        names = ", ".join(result["results"][row["side"]][0]["plan"]) or "none"
        shown = quoted(row["speedup"]) if row["speedup"] else "target missed too often to say"
        rows.append(f"| `{result['task']}` to {metric} {result['target']}, {what} | {shown} | {names}; "
                    f"tuned in {tuning['spent_s']:.0f} s{_earlier(tuning)} |")  # fmt: skip
    return rows


def _earlier(tuning: dict[str, Any]) -> str:
    """Return what an earlier tuning took whose evidence this one had; nothing where it began anew."""
    found = re.search(r"Earlier tuning of ([^,]+) is taken up", tuning["remark"])
    return f", after an earlier tuning of {found[1]}" if found else ""


def overhead(result: dict[str, Any]) -> list[str]:
    """Return the rows of the loop's cost."""
    return [
        f"| step time of hasten's loop over the shortest hand-written one, `{row['workload']}` "
        f"| {quoted(row['ratio'])} | same parameters bit for bit |"
        for row in result["rows"]
    ]


def peers(result: dict[str, Any]) -> list[str]:
    """Return one row with the training times of other trainers."""
    others = sorted((row["value"], name) for name, row in result["rows"].items() if not name.startswith("hasten"))
    said = ", ".join(f"{name} {value:.2f}" for value, name in others)
    return [
        f"| time of a training of a tiny perceptron over the usual loop's, hasten with a plan "
        f"| {quoted(result['rows']['hasten, planned'])} | beside it: {said} |"
    ]


def gpu(result: dict[str, Any]) -> list[str]:
    """Return rows of a GPT-2 sized model on a GPU: bf16 alone, and the fastest way."""
    record = result["parts"]["gpt"]["record"]
    ways = {row["way"]: row for row in record["rows"] if row["ratio"]}
    fastest = max(ways.values(), key=lambda row: row["tokens_per_s"])
    return [
        f"| tokens a second of a GPT-2 sized model on one {result['device']}, batch 16 x 1024, over fp32's "
        f"| {quoted(row['ratio'])} | {', '.join(row['techniques'])}; {row['tokens_per_s'] / 1000:.0f} k tokens/s, "
        f"{row['mfu']:.0%} of the measured peak; torch {record['torch']} |"
        for row in (ways["bf16"], fastest)
    ]


def int8(result: dict[str, Any]) -> list[str]:
    """Return the rows of one linear layer, forward and backward: the shape that stands first."""
    first = result["rows"][0]
    shape = " x ".join(str(size) for size in first["shape"])
    return [
        f"| speed of a linear layer, {shape}, in int8 over {other} | {quoted(first['ratios'][key])} | {note} |"
        for key, other, note in (
            (
                "bf16_autocast / int8",
                "bf16 autocast",
                "forward and backward; `int8_linear`, on a CPU with VNNI",
            ),
            ("fp32 / int8", "default fp32", "the same"),
        )
    ]


def memory(result: dict[str, Any]) -> list[str]:
    """Return the row of the GPT that needs the least memory."""
    least = min(result["rows"], key=lambda row: row["share"])
    return [
        f"| step time of a {result['size']['layers']}-layer GPT that keeps {least['share']:.2f} of its activations "
        f"| {quoted(least['time'])} | {', '.join(least['techniques'])}; exact |"
    ]


def throughput(result: dict[str, Any]) -> list[str]:
    """Return the row of the fastest way to train a GPT on Shakespeare."""
    best = max(result["rows"], key=lambda row: row["speedup"]["value"])
    size = result["size"]
    return [
        f"| tokens a second of a {size['layers']}-layer, {size['width']}-wide GPT on Shakespeare "
        f"| {quoted(best['speedup'])} | {', '.join(best['techniques'])} |"
    ]


def quality(result: dict[str, Any]) -> list[str]:
    """Return the row of what int8 does to the validation loss of a GPT."""
    after = f"{result['parameters'] / 1e6:.1f} M parameters after {result['steps']} steps on Shakespeare"
    rows: list[str] = []
    for row in result["rows"]:
        found = few_ratios([1 + change for change in row["relative_changes"]])
        over = f"{found.value:.4f} [{found.low:.4f}, {found.high:.4f}], n = {found.n}"
        rows.append(f"| validation loss of a GPT of {after} over fp32's | {over} | {', '.join(row['techniques'])} |")
    return rows


def fetch(result: dict[str, Any]) -> list[str]:
    """Return the row of shuffled batches of small images."""
    shapes = [found for found in result["results"] if found["shape"].startswith("cifar")]
    cifar = max(shapes, key=lambda found: len(found["rows"]))  # the one with the other libraries
    ratios = {row["name"]: row["ratio"] for row in cifar["rows"]}
    others = {name: ratio for name, ratio in ratios.items() if "gather" not in name and "DataLoader, " not in name}
    said = ", ".join(f"{name} {ratio:.2g}" for name, ratio in sorted(others.items(), key=lambda pair: -pair[1]))
    beside = f"; beside it: {said}" if said else ""
    return [
        f"| shuffled CIFAR-shape samples a second over torch's `DataLoader` without workers "
        f"| {ratios['gather from memory']:.1f} (median) | one gather a batch{beside} |"
    ]


SECTIONS: tuple[tuple[str, Callable[[dict[str, Any]], list[str]]], ...] = (
    ("main_job_digits", pipeline),
    *((f"main_job_{job}", pipeline) for job in ("fashion-mnist", "shakespeare", "imdb", "housing", "adult", "cifar10")),
    ("overhead", overhead),
    ("overhead_peers", peers),
    ("int8_linear", int8),
    ("gpt_throughput", throughput),
    ("gpu/2026-11-26_h200", gpu),
    ("gpt_quality", quality),
    ("gpt_memory", memory),
    ("data_fetch", fetch),
)


def measured() -> str:
    """Return the README's table, made of the results that are there."""
    lines = ["| what | ratio, 95 % interval | how |", "|---|---|---|"]
    found = [(recorded(name), rows) for name, rows in SECTIONS if (RESULTS / f"{name}.json").exists()]
    for result, rows in found:
        lines += rows(result)
    machines = sorted({machine(result) for result, _ in found})
    return "\n".join([*lines, "", f"Plain PyTorch is 1. Measured on: {'; '.join(machines)}.", ""])


def main() -> int:
    """Write or check what is quoted; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    text = README.read_text()
    start, end = text.index(BEGIN) + len(BEGIN), text.index(END)
    stale = False
    quoted = (
        (README, text[:start] + measured() + text[end:]),
        (TECHNIQUES, page()),
        (DOCTOR, quote_doctor.page(DOCTOR.read_text())),
        (DEVICES, quote_parallel.page(DEVICES.read_text())),
        (TUNING, quote_tuning.page(TUNING.read_text())),
        (RATE, quote_rate.page(RATE.read_text())),
    )
    for path, new in quoted:
        if not check:
            path.write_text(new)
        elif not path.exists() or path.read_text() != new:
            print(f"{path.relative_to(ROOT)} is stale: run benchmarks/quote.py")
            stale = True
    if check and not stale:
        print("what is quoted is what the results say")
    return int(stale)


if __name__ == "__main__":
    sys.exit(main())
