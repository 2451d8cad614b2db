"""Does a profile say why data are dear, and what it would gain to mend it? Twenty planted causes, five cheap inputs.

Each training is profiled as `hasten profile` does. The verdict on the data is right where the first finding about them
names the planted cause; where data are cheap, nothing may be said of them, and the copy to a device must be abstained
from. (That one thread trains, so that what loads has a core, may itself be told before.)
The predicted gain ("at most") is compared with the gain of the same training without the cause, both trained in turn.

    python -m benchmarks.data.verdicts [--budget-s 8] [--rounds 5] [--slice 0.6] [--only WORDS]
"""

import argparse
import math
import warnings
from collections.abc import Callable, Iterator

import torch

from benchmarks.data.input_faults import HEALTHY, PLANTED, Case
from benchmarks.recording import ratio, record, told
from benchmarks.rounds import Way, rates
from hasten.base.records.finding import Finding
from hasten.base.records.machine import Machine
from hasten.base.records.profile import Profile
from hasten.base.records.record import Interval
from hasten.machine import facts
from hasten.pipeline.examining import examine
from hasten.training.building import build
from hasten.training.recipe import Recipe
from hasten.training.step import step

OF_DATA = ("input_bound", "io_bound", "loader_cpu_bound", "worker_skew", "h2d_bound")
CLOSE = 0.25


def training(make: Callable[[], Recipe]) -> Way:
    """Return the way that trains a recipe, batch after batch."""
    run = build(make())

    def steps() -> Iterator[int]:
        for ids, batch in run.batches():
            step(run, batch)
            run.advance(len(ids), 0.0)
            yield len(ids)

    return steps


def real_gain(case: Case, *, rounds: int, slice_s: float) -> Interval | None:
    """Return how many times faster the training is without its cause, or None where data are cheap."""
    if case.remedy is None:
        return None
    found = rates({"is": training(case.recipe), "mended": training(case.remedy)}, rounds=rounds, slice_s=slice_s)
    return ratio([math.log(mended / now) for now, mended in zip(found["is"], found["mended"], strict=True)])


def of_data(profile: Profile) -> Finding | None:
    """Return the first finding about data, or None."""
    assert profile.diagnosis is not None
    return next((one for one in profile.diagnosis.findings if one.symptom in OF_DATA), None)


def right(case: Case, profile: Profile) -> bool:
    """Return whether the verdict on the data is right."""
    assert profile.diagnosis is not None
    first = of_data(profile)
    if not case.cause:
        return first is None and "h2d_bound" in {one.symptom for one in profile.diagnosis.abstained}
    return first is not None and first.where.startswith(case.cause) and case.word in first.sentence


def close(finding: Finding | None, gained: Interval | None) -> bool:
    """Return whether the predicted gain is within a quarter of the measured one."""
    if gained is None or finding is None or finding.bound is None:
        return gained is None
    return abs(finding.bound - gained.value) <= CLOSE * (gained.value - 1)


def judged(case: Case, machine: Machine, *, budget_s: float, rounds: int, slice_s: float) -> dict[str, object]:
    """Profile a case and mend it, and say whether the verdict and its gain are right."""
    profile = examine(case.recipe(), machine, budget_s=budget_s)
    assert profile.diagnosis is not None
    gained = real_gain(case, rounds=rounds, slice_s=slice_s)
    first = of_data(profile)
    verdict, gain = right(case, profile), close(first, gained)
    bound, said = (None, profile.verdict) if first is None else (first.bound, first.sentence)
    print(f"  {'ok   ' if verdict and gain else 'WRONG'} {case.name:34} {said}", flush=True)
    if gained is not None:
        print(f"        told {bound or math.nan:.2f}, measured {told(gained)}", flush=True)
    if not verdict:
        print(f"        told: {[(one.symptom, one.where) for one in profile.diagnosis.findings]}", flush=True)
    return {"case": case.name, "cause": case.cause, "verdict": profile.verdict, "of_data": first, "right": verdict,
            "bound": bound, "gained": gained, "gain_is_close": gain, "words": len(profile.verdict.split()),
            "told": [(one.symptom, one.where) for one in profile.diagnosis.findings],
            "input_share": profile.share("input"), "transfer_share": profile.share("transfer"),
            "loading": profile.loading}  # fmt: skip


def main() -> None:
    """Judge every case, print the table, keep the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--budget-s", type=float, default=8.0, help="of each profile")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--slice", type=float, default=0.6)
    parser.add_argument("--only", default="", help="cases whose name contains this; results are not kept")
    given = parser.parse_args()
    warnings.filterwarnings("ignore", "This DataLoader will create", UserWarning)  # four workers on two cores are meant
    torch.set_num_threads(1)  # so that processes and threads that load have a core of their own
    machine, rows = facts(), list[dict[str, object]]()
    for case in (*PLANTED, *HEALTHY):
        if given.only in case.name:
            rows.append(judged(case, machine, budget_s=given.budget_s, rounds=given.rounds, slice_s=given.slice))
    named, gains = sum(bool(row["right"]) for row in rows), sum(bool(row["gain_is_close"]) for row in rows)
    both = sum(bool(row["right"] and row["gain_is_close"]) for row in rows)
    counts = {"cases": len(rows), "right": named, "gain_is_close": gains, "both": both}
    print(counts)
    if not given.only:
        print(record("data_verdicts", {**counts, "budget_s": given.budget_s, "rounds": given.rounds, "each": rows}))


if __name__ == "__main__":
    main()
