"""What the search of `hasten tune` finds on simulated machines, with the search before it at the same budgets.

    python -m benchmarks.tuning.search_power [--only null gain power intervals] [--scale 1.0]

`null`: tunings in which nothing gains: how often a plan is called faster. `gain`: one technique gains 3 %, alone and
among five without effect: how often it is kept within 60 s. `power`: 8 techniques drawn from a mixture, with
interactions of what acts on the same part of a step: the share of the best plan's gain that is found, and how often
something harmful is kept. `intervals`: how often the interval of a technique misses the truth, at the end and at any
time. A plan counts as found when its fresh measurement confirms it, as in `hasten.tuning.confirm`.
"""

import argparse
import itertools
import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from benchmarks.recording import RESULTS, record
from hasten.tuning.begin import NOISE_BLOCKS
from hasten.tuning.confirm import ratio_of_pairs
from hasten.tuning.context import CONFIRMATION_SLACK, FEWEST_CONFIRMED, MOST_CONFIRMED
from hasten.tuning.search.factors import NONE, Factor, Factors, Setting
from hasten.tuning.search.search import Search

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "tuning"))

from simulated import Simulated, Truth

from benchmarks.tuning.one_at_a_time import OneAtATime

PAIR_NOISE = 0.02
"""Of the logarithm of the ratio of two blocks; one block has 1 / sqrt(2) of it."""
BEGIN_S = 1.0
"""What the first build of a process costs more than later ones: 1.0 s of the processor for `digits`."""
QUIET = {"noise": PAIR_NOISE / math.sqrt(2), "tails": 0.05, "luck": 0.002, "begin_s": BEGIN_S}
BUSY = QUIET | {"noise": 0.03, "tails": 0.1, "bursts_s": 3.0, "burst_s": 0.3, "slower": 2.0}
MACHINES = {"quiet": QUIET, "busy": BUSY}
BUDGETS_S = (8.0, 15.0, 30.0, 60.0, 120.0)
HARMFUL = -0.005


def factors(count: int) -> Factors:
    """Return so many factors of which nothing is known, and the baseline again."""
    items = [Factor(f"technique {number}") for number in range(count)]
    return Factors([*items, Factor("again", conflicts=frozenset(range(count)))])


def ground(truth: Truth, *, budget_s: float, seed: int) -> Simulated:
    """Return a simulated machine."""
    whole = replace(truth, gains=[*truth.gains, 0.0])
    return Simulated(whole, factors(len(truth.gains)), budget_s=budget_s, seed=seed)


def factorial(truth: Truth, *, budget_s: float, seed: int) -> tuple[Search, Simulated]:
    """Return the search after it has ended, without the time that confirming takes."""
    place = ground(truth, budget_s=budget_s, seed=seed)
    reserve_s = confirmation_s(place)
    place.budget_s -= reserve_s
    search = begun(place, seed)
    for _ in search.run():
        pass
    place.budget_s += reserve_s
    return search, place


def begun(place: Simulated, seed: int) -> Search:
    """Return the search with the blocks that show the noise, as tuning begins."""
    search = Search(place.factors, place, seed=seed, again=len(place.factors) - 1)
    place.ready(NONE)
    search.note_baseline([place.block(NONE) for _ in range(NOISE_BLOCKS)])
    return search


def confirmation_s(place: Simulated) -> float:
    """Return the seconds that are kept for measuring a plan afresh; see `hasten.tuning.context.confirmation_s`."""
    return CONFIRMATION_SLACK * (FEWEST_CONFIRMED * 2 * place.block_s(NONE) + 2 * place.setup_s(NONE))


def confirmed(place: Simulated, plan: Setting, noise: float | None = None, changes: float = 0.0) -> bool:
    """Measure a plan afresh, newly built, in as many pairs as the time holds.

    Args:
        place: the machine.
        plan: what is measured.
        noise: what the blocks before had.
        changes: how far the gain has drifted in them.
    """
    if not plan:
        return False
    place.setups = {}
    for setting in (NONE, plan):
        place.ready(setting)
    logs, began_s = list[float](), place.now_s
    while len(logs) < FEWEST_CONFIRMED or (
        len(logs) < MOST_CONFIRMED and place.left_s() > (place.now_s - began_s) / len(logs)
    ):
        logs.append(place.block(NONE) - place.block(plan))
    return ratio_of_pairs(logs, noise, changes=changes).low > 1


def by_factorial(truth: Truth, *, budget_s: float, seed: int) -> Setting:
    """Return the plan that the search finds and a fresh measurement confirms."""
    search, place = factorial(truth, budget_s=budget_s, seed=seed)
    return search.plan if confirmed(place, search.plan, search.fit.noise, search.drift()) else NONE


def by_one_at_a_time(truth: Truth, *, budget_s: float, seed: int) -> Setting:
    """Return the plan that the old search finds and a fresh measurement confirms."""
    place = ground(truth, budget_s=budget_s, seed=seed)
    plan = OneAtATime(place, len(truth.gains)).run()
    return plan if confirmed(place, plan) else NONE


SEARCHES: dict[str, Callable[..., Setting]] = {"factorial": by_factorial, "one at a time": by_one_at_a_time}


def drawn(seed: int, machine: str, count: int = 8) -> Truth:
    """Draw a truth: 40 % without effect, 30 % gain 1 to 5 %, 15 % gain 10 to 60 %, 15 % harm by 3 to 30 %."""
    random = np.random.default_rng([seed, 77])
    gains = list[float]()
    for kind in random.choice(4, size=count, p=(0.4, 0.3, 0.15, 0.15)):
        low, high = ((0.0, 0.0), (0.01, 0.05), (0.1, 0.6), (-0.3, -0.03))[int(kind)]
        gains.append(float(random.uniform(low, high)))
    pairs = dict[tuple[int, int], float]()
    for pair in itertools.combinations(range(count), 2):
        if random.random() < 0.2 and gains[pair[0]] and gains[pair[1]]:
            smaller = min(abs(gains[one]) for one in pair)
            pairs[pair] = float(random.uniform(-1.0, 0.3)) * smaller
    return Truth(
        gains, pairs, step_s=float(np.exp(random.uniform(math.log(0.003), math.log(0.1)))), **MACHINES[machine]
    )


def best(truth: Truth) -> float:
    """Return the logarithm of the speed-up of the best setting, found by trying all."""
    numbers = range(len(truth.gains))
    settings = (frozenset(one) for size in range(len(numbers) + 1) for one in itertools.combinations(numbers, size))
    return max(truth.gain(one) for one in settings)


def null(scale: float) -> dict[str, Any]:
    """Tunings without anything to find: (tunings, called faster) for each machine, at budgets in turn."""
    found = dict[str, Any]()
    for machine in MACHINES:
        tunings = round(150 * scale)
        wrong = [
            seed
            for seed in range(tunings)
            if by_factorial(Truth((0.0,) * 6, **MACHINES[machine]), budget_s=(8.0, 30.0, 60.0)[seed % 3], seed=seed)
        ]
        found[machine] = {"tunings": tunings, "called faster": len(wrong)}
    return found


def gain(scale: float) -> list[dict[str, Any]]:
    """A true gain of 3 % where pairs vary by 2 %: how often it is kept within 60 s."""
    rows = list[dict[str, Any]]()
    for others in (0, 5):
        for name, search in SEARCHES.items():
            tunings = round(60 * scale)
            truth = Truth((math.log(1.03),) + (0.0,) * others, **QUIET)
            kept = sum(0 in search(truth, budget_s=60.0, seed=seed) for seed in range(tunings))
            rows.append({"search": name, "without effect beside it": others, "tunings": tunings, "kept": kept})
    return rows


def power(scale: float) -> list[dict[str, Any]]:
    """The share of the best plan's gain that is found, by budget."""
    rows = list[dict[str, Any]]()
    for machine, budget_s in itertools.product(MACHINES, BUDGETS_S):
        for name, search in SEARCHES.items():
            shares, harmed = list[float](), 0
            for seed in range(round(40 * scale)):
                truth = drawn(seed, machine)
                plan, most = search(truth, budget_s=budget_s, seed=seed), best(truth)
                if most > math.log(1.01):
                    shares.append(math.exp(truth.gain(plan) - most))
                harmed += any(truth.gain(plan) - truth.gain(plan - {one}) < HARMFUL for one in plan)
            tail = float(np.quantile(shares, 0.1))
            rows.append({
                "machine": machine, "budget_s": budget_s, "search": name, "tunings": round(40 * scale),
                "speed of the best": float(np.mean(shares)), "tenth worst": tail, "kept something harmful": harmed,
            })  # fmt: skip
            print(rows[-1], flush=True)
    return rows


def intervals(scale: float) -> list[dict[str, Any]]:
    """How often the interval of a technique misses what it truly adds to the plan under way."""
    rows = list[dict[str, Any]]()
    for machine in MACHINES:
        asked = ends = ever = 0
        for seed in range(round(40 * scale)):
            truth = drawn(seed, machine)
            place = ground(truth, budget_s=30.0, seed=seed)
            search = begun(place, seed)
            missed = set[int]()
            for _ in search.run():
                missed |= {one for one in range(len(truth.gains)) if _misses(search, truth, one)}
            asked += len(truth.gains)
            ever += len(missed)
            ends += sum(_misses(search, truth, one) for one in range(len(truth.gains)))
        rows.append({"machine": machine, "intervals": asked, "miss at the end": ends, "missed at any time": ever})
    return rows


def _misses(search: Search, truth: Truth, one: int) -> bool:
    found, on, off = search.gain(one), search.factors.on(search.plan, one), search.factors.off(search.plan, one)
    return not found.low <= truth.gain(on) - truth.gain(off) <= found.high


def main(names: Sequence[str], scale: float) -> None:
    """Make the studies of these names, all where none is named, and keep the results beside those of others."""
    studies = {"null": null, "gain": gain, "power": power, "intervals": intervals}
    path = RESULTS / "search_power.json"
    content = (
        {name: found for name, found in msgspec.json.decode(path.read_bytes()).items() if name in studies}
        if path.exists()
        else {}
    )
    for name in names or studies:
        began = time.perf_counter()
        content[name] = studies[name](scale)
        print(name, content[name], f"{time.perf_counter() - began:.0f} s", flush=True)
        record("search_power", content)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=[], help="studies")
    parser.add_argument("--scale", type=float, default=1.0, help="times the usual number of tunings")
    options = parser.parse_args()
    main(options.only, options.scale)
