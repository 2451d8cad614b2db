"""Whole scripts in styles that the hosts do not have, faulty and without the fault, watched as `hasten diagnose` does.

python -m benchmarks.doctor.own_scripts --room DIR [--only gan_points,boxes] [--part 1/2] [--record]

Each file in `scripts/` holds both: `#= names` in the first line are the symptoms that name its fault, a line that ends
in `  #@ code` is that code in the faulty script and nothing where there is none, and a line `#+ code` is in the faulty
one only. Those in `scripts/healthy` have no fault and look as if they had. All were written before anybody looked at
what the rules say of them; `LOG.md` tells what was found then and what was changed after that, so they are no scripts
that nobody saw.

What is said of a script is kept in the room and not asked again: several parts may run at once, and the last call, with
`--record`, records what all of them found. Rules that changed need a new room.
"""

import argparse
import contextlib
import io
import json
import re
import runpy
import sys
import warnings
from pathlib import Path
from typing import Any

import torch

import hasten
from benchmarks.doctor.scoring import share
from benchmarks.recording import record
from hasten.base.replaced import replaced
from hasten.tuning.state import untouched

SCRIPTS = Path(__file__).parent / "scripts"
WANTED = frozenset(
    {
        "backward_missing",
        "boxes_mixed",
        "class_ignored",
        "data_changed_in_place",
        "embeddings_shared",
        "formula_wrong",
        "inputs_drift",
        "inputs_unused",
        "loss_not_monotone",
        "losses_left_out",
        "samples_missing",
        "targets_constant",
    }
)  # names of faults that no rule has yet


def both(text: str) -> tuple[str, str]:
    """Return the script without its fault and with it."""
    fixed, faulty = list[str](), list[str]()
    for line in text.splitlines():
        if added := re.fullmatch(r"( *)#\+ (.*)", line):
            faulty.append(added[1] + added[2])
        elif changed := re.fullmatch(r"( *)(\S.*?)  #@ ?(.*)", line):
            fixed.append(changed[1] + changed[2])
            faulty += [changed[1] + changed[3]] if changed[3] else []
        elif not line.startswith("#= "):
            fixed.append(line)
            faulty.append(line)
    return "\n".join(fixed) + "\n", "\n".join(faulty) + "\n"


def roots(text: str) -> tuple[str, ...]:
    """Return the symptoms that name the fault of a script."""
    return tuple(text.splitlines()[0].removeprefix("#= ").split(", "))


def named(script: Path) -> list[str]:
    """Return the symptoms that the doctor names, in order.

    The script runs in this process, which has its imports and gets back its settings of torch.
    """
    with untouched(), hasten.diagnosing(script.stem) as doctor, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with contextlib.redirect_stdout(io.StringIO()), replaced(sys, "argv", lambda plain: [str(script)]):
            names = runpy.run_path(str(script), run_name="__main__")
    found = [one.symptom for one in doctor.diagnosis().findings]
    del names  # data that are gone cannot be judged, and a script's own last until its process ends
    return found


def judged(name: str, room: Path, scripts: Path = SCRIPTS) -> dict[str, Any]:
    """Return what is said of both forms of a script, or of a healthy one."""
    if (healthy := scripts / "healthy" / f"{name}.py").exists():
        return {"healthy": named(healthy)}
    text = (scripts / f"{name}.py").read_text()
    found: dict[str, Any] = {"roots": roots(text)}
    for form, source in zip(("fixed", "faulty"), both(text), strict=True):
        script = room / "scripts" / form / f"{name}.py"
        script.parent.mkdir(parents=True, exist_ok=True)
        script.write_text(source)
        found[form] = named(script)
    return found


def kept(name: str, room: Path, scripts: Path = SCRIPTS) -> dict[str, Any]:
    """Return what is said of a script: what the room has, or what is said now, which it keeps."""
    file = room / "said" / f"{name}.json"
    if not file.exists():
        said = judged(name, room, scripts)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(said))
    return json.loads(file.read_text())


def scored(found: dict[str, Any]) -> dict[str, Any]:
    """Return how many faults are named, how many first, and how many scripts without a fault have a finding."""
    pairs = [one for one in found.values() if "faulty" in one]
    healthy = [one["healthy"] for one in found.values() if "healthy" in one]
    return {
        "recall": share(sum(bool(set(one["faulty"]) & set(one["roots"])) for one in pairs), len(pairs)),
        "root_first": share(sum(bool(set(one["faulty"][:1]) & set(one["roots"])) for one in pairs), len(pairs)),
        "false_alarms": share(sum(bool(one["fixed"]) for one in pairs), len(pairs)),
        "healthy_alarms": share(sum(map(bool, healthy)), len(healthy)),
    }


def main() -> None:
    """Diagnose all scripts, or some, and count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--room", type=Path, required=True)
    parser.add_argument("--only", default="", help="names of scripts, separated by commas")
    parser.add_argument("--part", default="1/1", help="number of the part, and of how many")
    parser.add_argument("--record", action="store_true")
    given = parser.parse_args()
    names = given.only.split(",") if given.only else sorted(path.stem for path in SCRIPTS.rglob("*.py"))
    part, parts = map(int, given.part.split("/"))
    names = names[part - 1 :: parts]
    torch.set_num_threads(1)
    found: dict[str, Any] = {}
    for name in names:
        one = found[name] = kept(name, given.room)
        if "healthy" in one:
            print(f"{name:20} healthy ALARM {one['healthy']}" if one["healthy"] else f"{name:20} healthy", flush=True)
            continue
        first = bool(one["faulty"]) and one["faulty"][0] in one["roots"]
        verdict = "first" if first else "found" if set(one["faulty"]) & set(one["roots"]) else "MISSED"
        alarm = f"  ALARM {one['fixed']}" if one["fixed"] else ""
        print(f"{name:20} {verdict:7} {', '.join(one['faulty']) or 'nothing'}{alarm}", flush=True)
    scores = scored(found)
    print(scores)
    if given.record:
        print(record("doctor_scripts", {"scores": scores, "scripts": found}))


if __name__ == "__main__":
    main()
