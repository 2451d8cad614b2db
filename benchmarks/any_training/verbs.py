"""What hasten's verbs do with a training: run to their end, refuse in one message, or break."""

import re
import traceback
from collections.abc import Callable
from time import perf_counter
from typing import Any

from benchmarks.any_training.training import Training
from hasten import tune
from hasten.api import train
from hasten.base.errors import HastenError
from hasten.base.records.trial import Trial, Verdict
from hasten.machine import load_cached
from hasten.pipeline.examining import examine
from hasten.techniques.baseline import baseline_of
from hasten.training.check import check

PROFILE_S = 2.0
BROKEN = frozenset({Verdict.FAILED})
_ERROR = re.compile(r"\b[A-Z]\w*Error\b")
"""A reason with the name of an error is one that nobody foresaw; it is recorded, and to be read."""


def _check(training: Training) -> dict[str, Any]:
    return {"notes": check(training.task())}


def _profile(training: Training) -> dict[str, Any]:
    machine = load_cached(quick=True)
    found = examine(baseline_of(training.task(), machine), machine, budget_s=PROFILE_S)
    failed = {one.name: one.failed for one in found.ablations if one.failed}
    return {"verdict": found.verdict, "remarks": found.remarks, "failed": failed}


def _tune(training: Training, budget: str) -> dict[str, Any]:
    tuning = tune(training.task(), budget=budget)
    tried = [trial for trial in tuning.trials if isinstance(trial, Trial)]
    broken = {trial.technique: trial.reason for trial in tried if trial.verdict in BROKEN}
    errors = {trial.technique: trial.reason for trial in tried if _ERROR.search(trial.reason)}
    verdicts = {trial.technique: str(trial.verdict) for trial in tried}
    open_ones = {trial.technique: trial.reason for trial in tried if trial.verdict is Verdict.INCONCLUSIVE}
    return {
        "plan": tuning.plan.names, "broken": broken, "errors": errors, "verdicts": verdicts, "inconclusive": open_ones
    }  # fmt: skip


def _train(training: Training) -> dict[str, Any]:
    result = train(training.task(), runs=None).result
    return {"steps": result.steps, "metric": f"{result.metric_name} {result.final_metric}"}


def used(training: Training, budget: str) -> dict[str, dict[str, Any]]:
    """Return what became of each verb: its time, and what it found, its refusal or the error that it broke with."""
    verbs: dict[str, Callable[[], dict[str, Any]]] = {
        "check": lambda: _check(training),
        "profile": lambda: _profile(training),
        "tune": lambda: _tune(training, budget),
        "train": lambda: _train(training),
    }
    return {name: _outcome(verb) for name, verb in verbs.items()}


def _outcome(verb: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    start = perf_counter()
    try:
        said = verb()
        outcome = "BROKEN" if said.get("broken") else "ok"
    except HastenError as error:
        outcome, said = "refused", {"message": str(error)}
    except Exception as error:  # noqa: BLE001  (any other error is what this benchmark looks for)
        outcome, said = "BROKEN", {"message": repr(error), "traceback": traceback.format_exc()}
    return {"outcome": outcome, "seconds": round(perf_counter() - start, 2), **said}
