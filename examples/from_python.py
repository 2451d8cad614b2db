"""hasten from Python: `python examples/from_python.py`. Each verb of the command line is a function."""

from pathlib import Path

import hasten
from hasten import Task
from mlp import task


def look(task: Task) -> None:
    """Print where the time of a step goes."""
    anatomy = hasten.profile(task)
    for part in anatomy.parts:
        print(f"{part.name:10} {part.share:6.1%}")
    print(anatomy.verdict)


def choose_and_train(task: Task, *, budget: str, runs: Path) -> None:
    """Try techniques for as long as `budget` says, then train with those that are proven to help."""
    tuning = hasten.tune(task, budget=budget)
    for trial in tuning.trials:
        print(f"{trial.technique:18} {trial.verdict}: {trial.reason}")
    trained = hasten.train(task, tuning.plan, runs=runs)  # without a plan: your training as it is
    print(f"{trained.result.metric_name} {trained.result.best_metric:.3f} in {trained.result.elapsed_s:.2f} s")
    print(trained.model)  # a plain torch.nn.Module


def all_at_once(task: Task, *, budget: str, runs: Path) -> None:
    """Profile, tune, train, compare with the plain training, and write a report."""
    job = hasten.run(task, budget=budget, runs=runs)
    print(f"the report is in {job.folder}")


if __name__ == "__main__":
    mine = task()
    look(mine)
    choose_and_train(mine, budget="20s", runs=Path("runs"))
    all_at_once(mine, budget="20s", runs=Path("runs"))
