"""Trainings through another Python, with its own versions of hasten and of libraries."""

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from hasten.base.errors import BadInput, TrainingFailed
from hasten.base.records.plan import Plan
from hasten.base.records.run import Evaluation, Finished, RunResult, StopReason
from hasten.pipeline.comparing import Train
from hasten.techniques.plan_file import write_plan
from hasten.training.run_folder import read_events
from hasten.training.task import Task, quality_of


def elsewhere(python: Path, plan: Plan, task: Task, words: Sequence[str]) -> Train:
    """Return what trains a task by `PYTHON -m hasten train` and reads the result from the run folder.

    Args:
        python: the interpreter.
        plan: read by it, too.
        task: what is trained, as this process knows it.
        words: the same as it is typed.

    Raises:
        BadInput: if there is no such program.
    """
    if shutil.which(python) is None:
        raise BadInput(f"{python} is not a program that can be started. Pass the path of a Python interpreter.")

    def train(seed: int) -> tuple[RunResult, int | None]:
        with tempfile.TemporaryDirectory(prefix="hasten-") as name:
            folder = Path(name)
            command = [
                str(python),
                "-m",
                "hasten",
                "train",
                *words,
                "--seed",
                str(seed),
                "--runs",
                str(folder / "runs"),
            ]
            if plan.choices:
                write_plan(plan, folder / "plan.toml")
                command += ["--plan", str(folder / "plan.toml")]
            try:
                done = subprocess.run(command, capture_output=True, text=True, check=False)
            except OSError as error:
                raise TrainingFailed(f"{python} cannot be started: {error.strerror}.") from error
            runs = list((folder / "runs").glob("*"))
            ended = [event for event in read_events(runs[0])[0] if isinstance(event, Finished)] if runs else []
            if not ended:
                said = (done.stderr.strip() or done.stdout.strip() or "nothing was printed").splitlines()[-1]
                raise TrainingFailed(f"the training with {python} failed (exit code {done.returncode}): {said}")
            return result_of(runs[0], task, plan, seed), None

    return train


def result_of(folder: Path, task: Task, plan: Plan, seed: int) -> RunResult:
    """Return the result of a training from the events in its run folder."""
    events = read_events(folder)[0]
    finished = [event for event in events if isinstance(event, Finished)][-1]
    evaluations = tuple(event for event in events if isinstance(event, Evaluation))
    quality = quality_of(task)
    known = [one.metric for one in evaluations if one.metric is not None]
    last = evaluations[-1] if evaluations else None
    return RunResult(
        task=task.name,
        metric_name=quality.name,
        higher_is_better=quality.higher_is_better,
        target=task.stop.target,
        plan=plan.labels,
        seed=seed,
        reason=finished.reason,
        steps=finished.step,
        elapsed_s=finished.elapsed_s,
        time_to_target_s=last.elapsed_s if last and finished.reason is StopReason.TARGET else None,
        best_metric=(max if quality.higher_is_better else min)(known, default=None),
        final_metric=last.metric if last else None,
        final_valid_loss=last.valid_loss if last else None,
        samples_per_s=0.0,
        evaluations=evaluations,
    )
