"""Does the verdict name what is wrong? Twenty-one planted faults and twenty healthy trainings.

Each is profiled in depth and diagnosed. A planted fault counts as found where its symptom (or one that it cannot be
told from) is told first; a healthy training passes where nothing is told that is not so.

    python -m benchmarks.profiling.verdicts [--budget-s 12]
"""

import argparse

import torch

from benchmarks.profiling.faults import HEALTHY, PLANTED, Case, accepted
from benchmarks.recording import record
from hasten.base.records.machine import Machine
from hasten.diagnosis.diagnose import diagnose
from hasten.machine import facts, measure
from hasten.profiling.profile import profile_in_depth


def judged(case: Case, machine: Machine, budget_s: float) -> dict[str, object]:
    """Profile and diagnose a case, and say whether what is told is right."""
    torch.compiler.reset()
    with case.around():
        said = diagnose(profile_in_depth(case.recipe(), machine, budget_s=budget_s), machine)
    symptoms = [finding.symptom for finding in said.findings]
    right = accepted(case, symptoms)
    print(f"  {'ok   ' if right else 'WRONG'} {case.name:28} {said.verdict}", flush=True)
    if not right:
        print(f"        told: {', '.join(symptoms) or 'nothing'}; expected: {', '.join(case.first) or 'nothing'}")
    return {"case": case.name, "right": right, "expected": case.first, "told": symptoms, "verdict": said.verdict,
            "words": len(said.verdict.split()), "abstained": [one.symptom for one in said.abstained]}  # fmt: skip


def main() -> None:
    """Judge every case, print the table, keep the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--budget-s", type=float, default=12.0)
    parser.add_argument("--only", default="", help="cases whose name contains this; results are not kept")
    given = parser.parse_args()
    machine = facts() if given.only else measure(quick=False)
    results = {}
    for name, cases in (("planted", PLANTED), ("healthy", HEALTHY)):
        print(name)
        chosen = [case for case in cases if given.only in case.name]
        rows = [judged(case, machine, given.budget_s) for case in chosen]
        results[name] = rows
        print(f"{sum(bool(row['right']) for row in rows)} of {len(rows)} right")
    if not given.only:
        print(record("profile_verdicts", {"budget_s": given.budget_s, **results}))


if __name__ == "__main__":
    main()
