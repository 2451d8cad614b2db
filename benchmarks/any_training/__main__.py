"""Does hasten take any training? Each is checked, profiled, tuned and trained, and compared with its loop by hand.

python -m benchmarks.any_training [--budget 10s] [--only gpt,vae]
"""

import argparse
import sys
from typing import Any

import torch

from benchmarks.any_training.catalog import TRAININGS
from benchmarks.any_training.equality import compare
from benchmarks.any_training.verbs import used
from benchmarks.recording import record, recorded


def looked_at(name: str, budget: str) -> dict[str, Any]:
    """Use every verb on a training, compare it with its loop by hand, and print both."""
    training = TRAININGS[name]
    found = compare(training)
    verbs = used(training, budget)
    outcomes = "  ".join(f"{verb} {said['outcome']}" for verb, said in verbs.items())
    print(f"  {name:32} {'equal ' if found.equal else 'DIFFER'}  {outcomes}", flush=True)
    for verb, said in verbs.items():
        if said["outcome"] != "ok":
            print(f"      {verb}: {said.get('message') or said.get('broken')}", flush=True)
    return {"equal": found.equal, "first_step_that_differs": found.step, "values_that_differ": found.values, **verbs}


def main() -> None:
    """Look at every training and keep the results; exit with 1 if one differs from its loop or breaks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--budget", default="10s", help="of tuning, for each training")
    parser.add_argument("--only", help="names, separated by commas; the results of the others stay as they are")
    given = parser.parse_args()
    torch.set_num_threads(1)
    names = given.only.split(",") if given.only else list(TRAININGS)
    looked = {name: looked_at(name, given.budget) for name in names}
    kept = recorded("any_training") if _is_recorded() else {}
    trainings = (dict(kept["trainings"]) if given.only and kept else {}) | looked
    wrong = [
        name
        for name, said in trainings.items()
        if not said["equal"] or any(said[verb]["outcome"] == "BROKEN" for verb in ("check", "profile", "tune", "train"))
    ]
    print(f"{len(trainings)} trainings, {len(wrong)} with a fault: {', '.join(wrong) or 'none'}")
    print(record("any_training", {**kept, "budget": given.budget, "wrong": wrong, "trainings": trainings}))
    sys.exit(bool(wrong))


def _is_recorded() -> bool:
    try:
        recorded("any_training")
    except FileNotFoundError:
        return False
    return True


if __name__ == "__main__":
    main()
