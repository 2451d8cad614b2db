"""Plant small bugs in the code and see which of them the tests miss.

    python -m benchmarks.mutants [--room tuning] [--sample 40] [--seed 0] [--seconds 540] [--survivors] [--list]

Each mutant changes one operator, constant, condition or statement of one file of `ROOMS` in a copy of the package. The
tests of that room which run the changed line run with it, the quickest first; a mutant is killed if one of them fails
and would not fail without. A bug in what runs at import is tried on all tests of the room. Those that change no
behavior are named in `equivalent.txt` with the reason, and are not sampled.

`results/mutants.json` holds every mutant that was run; `--survivors` runs those again that no test killed. The share
killed at first sight is counted by seed: survivors of one seed lead to new tests, so only the seed sampled last says
how many bugs the tests find. The share killed now counts all mutants of the code as it is, and the bar for it is 0.9.
"""

import argparse
import random
import shutil
import tempfile
import time
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from scipy.stats import binomtest

from benchmarks.mutants.planting import PACKAGE, Mutant, mutants_of
from benchmarks.mutants.testing import Room, Server, coverage_of, tests_of_room
from benchmarks.recording import RESULTS, record, recorded

ROOMS = ("training", "measurement", "tuning", "data/store", "base")
EQUIVALENT = Path(__file__).parent / "equivalent.txt"
BAR = 0.9

Outcomes = dict[str, dict[str, Any]]
"""Name of a mutant -> its room and seed, the test that killed it at first sight, and the one that kills it now."""


def main() -> None:
    """Sample, plant, test and record."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--room", choices=ROOMS, help="one room only")
    parser.add_argument("--sample", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=540.0, help="begin no mutant later than this")
    parser.add_argument("--survivors", action="store_true", help="run those again that no test killed")
    parser.add_argument("--list", action="store_true", help="list the mutants and run none")
    options = parser.parse_args()
    rooms = [options.room] if options.room else ROOMS
    every = [one for room in rooms for one in mutants_of(room)]
    known = _known()
    _record(known)
    if options.survivors:
        chosen = [one for one in every if one.name in known and known[one.name]["killed_now"] is None]
    else:
        equivalent = _equivalent()
        fresh = [one for one in every if one.name not in equivalent]
        chosen = random.Random(options.seed).sample(fresh, min(options.sample, len(fresh)))
        chosen = [one for one in chosen if one.name not in known]
    if options.list:
        print("\n".join(one.name for one in chosen))
        return
    _run(chosen, options.seed, options.seconds)
    raise SystemExit(_report(_known()) < BAR)


def _run(chosen: Sequence[Mutant], seed: int, seconds: float) -> None:
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, Server() as cold:
        package = Path(shutil.copytree(PACKAGE.parent, Path(folder) / "src"))
        for room, mutants in groupby(sorted(chosen, key=lambda one: one.room), key=lambda one: one.room):
            coverage = coverage_of(room, cold)
            with Server(tests_of_room(room)) as warm:
                tried_in = Room(coverage, warm, cold, package)
                for mutant in mutants:
                    if time.monotonic() - began > seconds:
                        return
                    by = tried_in.killer(mutant)
                    print(
                        f"{'SURVIVED' if by is None else 'killed  '} {mutant.name}{f' by {by}' if by else ''}",
                        flush=True,
                    )
                    _keep(mutant, seed, by)


def _equivalent() -> set[str]:
    return {line.split(" # ")[0] for line in EQUIVALENT.read_text().splitlines()}


def _known() -> Outcomes:
    """Return the record, without mutants that were found to be equivalent later."""
    outcomes = recorded("mutants")["mutants"] if (RESULTS / "mutants.json").exists() else {}
    equivalent = _equivalent()
    return {name: one for name, one in outcomes.items() if name not in equivalent}


def _keep(mutant: Mutant, seed: int, by: str | None) -> None:
    """Add an outcome to the record, which another run may have changed meanwhile."""
    outcomes = _known()
    first = {"room": mutant.room, "seed": seed, "killed_first": by}
    outcomes[mutant.name] = {**first, **outcomes.get(mutant.name, {}), "killed_now": by}
    _record(outcomes)


def _record(outcomes: Outcomes) -> None:
    record("mutants", {**_shares(outcomes), "mutants": dict(sorted(outcomes.items()))})


def _shares(outcomes: Outcomes) -> dict[str, Any]:
    """Return the shares killed at first sight, by seed, and now, each with its exact binomial 95 % interval."""
    alive = {one.name for room in ROOMS for one in mutants_of(room)}
    now = [one for name, one in outcomes.items() if name in alive]
    seeds = sorted({one["seed"] for one in outcomes.values()})
    return {
        "killed_first": {str(seed): _by_room([one for one in outcomes.values() if one["seed"] == seed], "killed_first")
                         for seed in seeds},
        "killed_now": _by_room(now, "killed_now"),
    }  # fmt: skip


def _by_room(outcomes: Sequence[dict[str, Any]], when: str) -> dict[str, dict[str, float]]:
    killed = {room: [one[when] is not None for one in outcomes if room in ("all", one["room"])]
              for room in ("all", *ROOMS)}  # fmt: skip
    return {room: _share(one) for room, one in killed.items() if one}


def _share(killed: Sequence[bool]) -> dict[str, float]:
    found = binomtest(sum(killed), len(killed))
    bounds = found.proportion_ci(0.95, "exact")
    return {"run": len(killed), "share": found.statistic, "low": float(bounds.low), "high": float(bounds.high)}


def _report(outcomes: Outcomes) -> float:
    """Print the shares and the survivors; return the share that is killed now."""
    shares = _shares(outcomes)
    for when, by_room in ({f"at first sight, seed {seed}": one for seed, one in shares["killed_first"].items()}
                          | {"now": shares["killed_now"]}).items():  # fmt: skip
        print(f"killed {when}: {', '.join(f'{room} {_told(share)}' for room, share in by_room.items())}")
    alive = {one.name for room in ROOMS for one in mutants_of(room)}
    for name, one in sorted(outcomes.items()):
        if one["killed_now"] is None and name in alive:
            print(f"SURVIVED {name}")
    print(f"the bar is {BAR}")
    return shares["killed_now"]["all"]["share"]


def _told(share: dict[str, float]) -> str:
    return f"{share['share']:.2f} [{share['low']:.2f}, {share['high']:.2f}] of {share['run']}"


if __name__ == "__main__":
    main()
