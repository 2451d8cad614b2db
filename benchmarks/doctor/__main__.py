"""Planted faults and healthy programs, for the doctor.

python -m benchmarks.doctor run --room DIR [--part 1/4] [--only double_softmax,mlp_digits] [--again]
python -m benchmarks.doctor hurts --room DIR [--part 1/4] [--only ...]
python -m benchmarks.doctor score --room DIR
"""

import argparse
import zlib
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from benchmarks.doctor.cases import Case, chosen
from benchmarks.doctor.faults.catalog import FAULTS
from benchmarks.doctor.hurting import counts, hurt, record_pairs
from benchmarks.doctor.running import Run, health_of, kept, path_of, run
from benchmarks.doctor.scoring import Judgment, judge, summary
from benchmarks.recording import record


def run_cases(cases: list[Case], room: Path, again: bool) -> None:
    """Run the cases that are not kept, or all of them, and say how each ended; those that do not count come last."""
    cases = sorted(cases, key=lambda case: (not counts(case, room), zlib.crc32(case.name.encode())))
    for number, case in enumerate(cases, 1):
        if again or kept(case, room) is None:
            made = run(case, room)
            quality = "none" if made.quality is None else f"{made.quality:.3f}"
            failed = f"  {made.error.splitlines()[-1]}" if made.error else ""
            print(f"{number}/{len(cases)} {case.name}  quality {quality}  {made.seconds:.1f} s{failed}", flush=True)


def pair_cases(cases: list[Case], room: Path) -> None:
    """Compare faulty with fixed programs for the faults that are not structural, and record the pairs."""
    asked = [case for case in cases if not case.healthy and not FAULTS[case.kind].structural]
    for case in asked:
        found = hurt(case, room)
        print(f"{case.name}  p = {found.p:.3f}  {'hurts' if found.hurts else 'harmless'}", flush=True)
    print(record_pairs(asked, room))


def judgments(room: Path, cases: list[Case]) -> tuple[list[Judgment], int]:
    """Return what today's rules say of the kept runs, and how many cases have none."""
    found = {case: kept(case, room) for case in cases}
    return [_judgment(one, room) for one in found.values() if one is not None], sum(
        one is None for one in found.values()
    )


def _judgment(one: Run, room: Path) -> Judgment:
    health = health_of(one)
    return Judgment(
        one.case, judge(health), counts(one.case, room), () if health is None else tuple(health.failed.values())
    )


def made(room: Path, cases: list[Case]) -> dict[str, int]:
    """Return in which hours (UTC) the kept runs were made, and how many; the rules are those of today for all."""
    times = [path_of(case, room).stat().st_mtime for case in cases if kept(case, room) is not None]
    hours = (datetime.fromtimestamp(time, UTC).isoformat(timespec="hours")[:13] for time in times)
    return dict(sorted(Counter(hours).items()))


def score(room: Path, cases: list[Case]) -> None:
    """Print and record the score."""
    judged, missing = judgments(room, cases)
    found: dict[str, Any] = summary(judged) | {
        "cases_without_a_run": missing,
        "runs_made": made(room, cases),
        "verdicts": {one.case.name: list(one.named) for one in judged},
    }
    for name in ("all", "seen", "held_out"):
        told = "  ".join(
            f"{what} {one['share']:.3f} {one['clopper_pearson']} ({one['right']}/{one['n']})"
            for what, one in found[name].items()
            if one["n"]
        )
        print(f"{name:9} {told}")
    for kind, one in found["by_kind"].items():
        recall, first = one["recall"], one["root_first"]
        print(f"  {kind:34} found {recall['right']}/{recall['n']}  first {first['right']}/{first['n']}")
    for name in ("misses", "not_first", "wrong_beside", "alarms"):
        print(f"{name}:")
        for case, named in found[name].items():
            print(f"  {case}: {', '.join(named) or 'nothing'}")
    print(
        {key: found[key] for key in ("kinds", "faulty_runs", "healthy_runs", "harmless_runs", "not_known_to_hurt")},
        missing,
    )
    print(record("doctor", found))


def main() -> None:
    """Run, compare or score a part of the cases."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run", "hurts", "score"))
    parser.add_argument("--room", type=Path, required=True, help="folder that keeps the runs")
    parser.add_argument("--part", default="1/1", help="number of the part, and of how many")
    parser.add_argument(
        "--only", default="", help="kinds of faults, `healthy`, `faulty`, and programs, separated by commas"
    )
    parser.add_argument("--again", action="store_true", help="run what is already kept again")
    given = parser.parse_args()
    torch.set_num_threads(1)
    number, parts = (int(one) for one in given.part.split("/"))
    cases = chosen([one for one in given.only.split(",") if one], (number, parts))
    if given.what == "run":
        run_cases(cases, given.room, given.again)
    elif given.what == "hurts":
        pair_cases(cases, given.room)
    else:
        score(given.room, cases)


if __name__ == "__main__":
    main()
