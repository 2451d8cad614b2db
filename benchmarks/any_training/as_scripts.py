"""Does `hasten profile script.py` leave a script as it is, and tell where its time goes?

python -m benchmarks.any_training.as_scripts [--only gan,planted:tiny] [--python PATH]

Each script runs twice, as it is and profiled. Scripts of trainers need a Python that has their packages.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.any_training.catalog import TRAININGS
from benchmarks.recording import record, recorded
from hasten.profiling.anatomy import warm

SCRIPTS = Path(__file__).parent / "scripts"
ROOT = SCRIPTS.parents[2]
_TIMES = re.compile(r"'\w+_(runtime|per_second)': '[^']*'")
"""What a trainer prints of its own speed."""
WALL_TOLERANCE = 0.15


@dataclass(frozen=True)
class Case:
    """A script with its arguments.

    Args:
        script: its name.
        arguments: after the file that it writes to.
        verdict: a word that its first verdict must hold where something was planted.
        batches: in an update.
    """

    script: str
    arguments: tuple[str, ...] = ()
    verdict: str = ""
    batches: int = 1


PLANTED = {
    "slow-loader": "Data loading",
    "preparation": "between the arrival of a batch and the call of the model",
    "metrics": "mostly planted.py:29",
    "update": "optimizer step",
    "validation": "evaluation",
    "tiny": "optimizer step",  # whose advice names a larger batch; the batch size of a script cannot be varied
}

BATCHES = {"clipping-ema-accumulation": 3}
"""Batches in an update, of trainings that accumulate gradients by hand."""

CASES: dict[str, Case] = {
    **{f"planted:{kind}": Case("planted", (kind,), word) for kind, word in PLANTED.items()},
    **{name: Case(name) for name in ("gan", "lbfgs", "functional")},
    "everything": Case("everything", batches=4),
    **{name: Case("by_hand", (name,), batches=BATCHES.get(name, 1)) for name in TRAININGS},
}
TRAINERS: dict[str, Case] = {
    "lightning": Case("lightning_fit"),
    "lightning:slow-loader": Case("lightning_fit", ("slow-loader",), "Data loading"),
    "lightning:manual": Case("lightning_manual"),
    "transformers": Case("transformers_trainer"),
    "transformers:slow-loader": Case("transformers_trainer", ("slow-loader",), "Data loading"),
    "accelerate": Case("accelerate_loop", batches=2),
    "fabric": Case("fabric_loop"),
}


@dataclass(frozen=True)
class Ran:
    """How a script ended."""

    code: int
    output: str
    kept: dict[str, Any] | None


def compared(case: Case, python: str) -> dict[str, Any]:
    """Run a script as it is and profiled, and return what differs and what was found."""
    script = SCRIPTS / f"{case.script}.py"
    with tempfile.TemporaryDirectory() as folder:
        out, found = Path(folder) / "kept.pt", Path(folder) / "found.json"
        plain = _ran([python, str(script), str(out), *case.arguments], out)
        watched = _ran(
            [python, "-m", "benchmarks.any_training.examined", str(found), str(script), str(out), *case.arguments], out
        )
        said = json.loads(found.read_text()) if found.exists() else {"reason": watched.output[-1000:]}
    faults = list(_differences(plain, watched))
    profile = said.get("profile")
    if profile is None:
        return {"faults": [*faults, f"no profile: {said['reason']}"]}
    parts_s = sum(part["seconds"] for part in profile["parts"])
    result = {"verdict": profile["verdict"], "next": said["next"], "lines": said["lines"], "parts_s": parts_s}
    if watched.kept is not None:
        wall_s = result["wall_s"] = float(warm(np.diff(watched.kept["moments"])[:, None]).mean()) / case.batches
        if abs(parts_s / wall_s - 1) > WALL_TOLERANCE:
            faults.append(f"the parts sum to {parts_s:.2e} s, a step takes {wall_s:.2e} s")
    if case.verdict not in profile["verdict"]:
        faults.append(f"{case.verdict!r} is not in the verdict: {profile['verdict']}")
    return result | {"faults": faults}


def _ran(command: list[str], out: Path) -> Ran:
    """Run a command in the repository's root and return how it ended."""
    paths = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    environment = os.environ | {"PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=ROOT)
    kept = torch.load(out, weights_only=False) if out.exists() else None
    out.unlink(missing_ok=True)
    return Ran(done.returncode, _TIMES.sub("", done.stdout) or done.stderr[-1000:] * bool(done.returncode), kept)


def _differences(plain: Ran, watched: Ran) -> list[str]:
    if plain.code or plain.kept is None:
        return [f"the script failed with exit code {plain.code}: {plain.output}"]
    if watched.kept is None:
        return [f"profiled, the script failed with exit code {watched.code}: {watched.output}"]
    states = list(zip(plain.kept["states"], watched.kept["states"], strict=True))
    equal = all(torch.equal(value, other[name]) for one, other in states for name, value in one.items())
    return (
        (["other parameters"] if not equal else [])
        + (["another output"] if plain.output != watched.output else [])
        + ([f"exit code {watched.code} in place of {plain.code}"] if plain.code != watched.code else [])
    )


def main() -> None:
    """Run every script and keep the results; exit with 1 if one is changed or misjudged."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", help="names, separated by commas; the results of the others stay as they are")
    parser.add_argument("--python", help="of the scripts of trainers; without one they are left out")
    given = parser.parse_args()
    cases = (TRAINERS if given.python else {}) | CASES
    kept = recorded("any_training")
    scripts = dict(kept.get("scripts", {}))
    wrong, path = list[str](), None
    for name in given.only.split(",") if given.only else cases:
        scripts[name] = compared(cases[name], given.python if name in TRAINERS else sys.executable)
        print(f"  {name:32} {'; '.join(scripts[name]['faults']) or 'ok'}: {scripts[name].get('verdict')}", flush=True)
        wrong = [name for name, said in scripts.items() if said["faults"]]
        path = record("any_training", {**kept, "scripts": scripts, "wrong_scripts": wrong})
    print(f"{len(scripts)} scripts, {len(wrong)} with a fault: {', '.join(wrong) or 'none'}")
    print(path)
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
