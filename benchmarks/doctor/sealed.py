"""Scripts that nobody looked at while rules were written, of any folder, diagnosed once: what is said at first sight.

python -m benchmarks.doctor.sealed FOLDER --room DIR [--part 1/2]
python -m benchmarks.doctor.sealed FOLDER --room DIR --name 2026-11 --right a,b,c

The folder is as `scripts/` is; `own_scripts` says how its files are written. Their first lines name the faults in free
words, so a person tells afterwards which of the first findings name the fault (`--right`), and that is recorded.
"""

import argparse
from pathlib import Path
from typing import Any

import torch

from benchmarks.doctor.own_scripts import kept
from benchmarks.doctor.scoring import share
from benchmarks.recording import RESULTS, record, recorded

RESULT = "doctor_sealed"


def scored(found: dict[str, Any], right: set[str]) -> dict[str, Any]:
    """Return how many faults are named first, and how many scripts without a fault have a finding."""
    pairs = {name: one for name, one in found.items() if "faulty" in one}
    healthy = [one["healthy"] for one in found.values() if "healthy" in one]
    if unknown := right - {name for name, one in pairs.items() if one["faulty"]}:
        raise SystemExit(f"no finding to be right: {', '.join(sorted(unknown))}")
    return {
        "root_first": share(len(right), len(pairs)),
        "false_alarms": share(sum(bool(one["fixed"]) for one in pairs.values()), len(pairs)),
        "healthy_alarms": share(sum(map(bool, healthy)), len(healthy)),
        "right": sorted(right),
    }


def main() -> None:
    """Diagnose the scripts, or record what was right."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--room", type=Path, required=True)
    parser.add_argument("--part", default="1/1", help="number of the part, and of how many")
    parser.add_argument("--name", help="of the collection, under which it is recorded")
    parser.add_argument("--right", default="", help="scripts whose first finding names the fault, separated by commas")
    given = parser.parse_args()
    part, parts = map(int, given.part.split("/"))
    names = sorted(path.stem for path in given.folder.rglob("*.py"))[part - 1 :: parts]
    torch.set_num_threads(1)
    found: dict[str, Any] = {}
    for name in names:
        one = found[name] = kept(name, given.room, given.folder)
        print(f"{name:24} {one}", flush=True)
    if given.name:
        known = recorded(RESULT)["collections"] if (RESULTS / f"{RESULT}.json").exists() else {}
        scores = scored(found, set(filter(None, given.right.split(","))))
        known[given.name] = {**scores, "scripts": found}
        print(scores, record(RESULT, {"collections": known}))


if __name__ == "__main__":
    main()
