"""Kill trainings at random moments, also inside a save, and resume them: nothing may be lost and no bit may differ.

Each training saves a checkpoint at every event, so that most of its time is saving. It runs in a process of its own, is
killed (SIGKILL) at a moment drawn from the time that it takes, and resumed in another; that one is killed at a random
moment, too, until one gets to the end. Then weights and events must be those of the training that nobody disturbed.

    python -m benchmarks.faults.kills [--kills 100] [--seed 0]

Fewer kills are not recorded.
"""

import argparse
import os
import random
import shutil
import signal
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn
from torch.utils.data import TensorDataset

from benchmarks.recording import record
from hasten import Data, Stop, Task, Update
from hasten.base.records.plan import Plan
from hasten.base.records.run import Evaluation, Progress
from hasten.training import loop, saving
from hasten.training.checkpoint import previous
from hasten.training.recipe import baseline
from hasten.training.run_folder import CHECKPOINT, WEIGHTS, read_events
from hasten.training.running import run_training


@dataclass(frozen=True)
class Killed:
    """What was done to one training, and what came out."""

    kills: int
    inside_saves: int
    before_the_first_checkpoint: int
    problem: str | None


def task() -> Task:
    """Return a training with dropout, momentum and shuffling: its next step depends on all that a checkpoint holds."""
    seeded = torch.Generator().manual_seed(1)
    x = torch.randn(61, 6, generator=seeded)
    data = TensorDataset(x, x.sum(1).gt(0).long())
    return Task(
        name="killed",
        data=Data(train=data, valid=data),
        model=lambda: nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 2)),
        update=Update(optimizer="adamw", lr=0.01),
        batch_size=8,
        stop=Stop(epochs=3, evaluate_every=3),
    )


def train_in(folder: Path) -> None:
    """Train in a folder from its newest checkpoint on; where it has none, anew, as a person would in a new folder."""
    loop.REPORT_EVERY_S, saving.CHECKPOINT_EVERY_S = 0.0, -1.0
    saved = (folder / CHECKPOINT).exists() or previous(folder / CHECKPOINT).exists()
    if not saved:
        shutil.rmtree(folder, ignore_errors=True)
    run_training(baseline(task()), Plan(task="killed"), show=lambda event: None, folder=folder, resume=saved)


def what_is_left(folder: Path) -> dict[str, Any]:
    """Return the weights and the events of a training that has ended, but for its times."""
    events, damaged = read_events(folder)
    return {
        "weights": load_file(folder / WEIGHTS),
        "losses": [loss for event in events if isinstance(event, Progress) for loss in event.losses],
        "evaluations": [
            (one.step, one.train_loss, one.valid_loss, one.metric) for one in events if isinstance(one, Evaluation)
        ],
        "damaged": damaged,
    }


def kill_and_resume(folder: Path, whole: dict[str, Any], seconds: float, draw: random.Random) -> Killed:
    """Kill a training in a folder again and again until it gets to its end; compare it with the undisturbed one.

    Args:
        folder: of the run; new.
        whole: what the undisturbed training left.
        seconds: that it took.
        draw: gives the moments.
    """
    kills = inside = before = 0
    while True:
        child = forked(lambda: train_in(folder))
        code = ended_within(child, draw.uniform(0, seconds))
        if code is None:
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            code = os.waitstatus_to_exitcode(status)
        if code == 0:
            break
        if code != -signal.SIGKILL:
            return Killed(kills, inside, before, f"resumed after {kills} kills, it ended with exit code {code}")
        kills += 1
        inside += any(folder.rglob("*.tmp"))
        before += not (folder / CHECKPOINT).exists()
    left = what_is_left(folder)
    return Killed(kills, inside, before, difference(left, whole))


def difference(left: dict[str, Any], whole: dict[str, Any]) -> str | None:
    """Return what differs, None where nothing does."""
    for name in ("losses", "evaluations", "damaged"):
        if left[name] != whole[name]:
            return f"other {name}"
    mine, theirs = left["weights"], whole["weights"]
    same = mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in theirs)
    return None if same else "other weights"


def forked(function: Callable[[], None]) -> int:
    """Run a function in a fork of this process and return its number; an error is printed and ends it with 1."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads; those here hold no lock
        child = os.fork()
    if child:
        return child
    code = 1
    try:
        function()
        code = 0
    except BaseException as error:  # noqa: BLE001  (whatever ends a program)
        print(f"{type(error).__name__}: {error}", flush=True)
    finally:
        os._exit(code)


def ended_within(child: int, seconds: float) -> int | None:
    """Return the exit code of a process that ends in time, None for one that runs longer."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.001)
    return None


def undisturbed(folder: Path) -> tuple[dict[str, Any], float]:
    """Return what the training leaves when nobody disturbs it, and the seconds that it takes.

    The first one is made in this process, so that its forks have all modules and start at once.
    """
    train_in(folder.with_name("first"))
    started = time.monotonic()
    _, status = os.waitpid(forked(lambda: train_in(folder)), 0)
    if status:
        raise SystemExit("the undisturbed training failed")
    return what_is_left(folder), time.monotonic() - started


def killed_trainings(kills: int, room: Path, seed: int) -> list[Killed]:
    """Kill trainings in turn until so many kills were made."""
    draw, done = random.Random(seed), list[Killed]()
    whole, seconds = undisturbed(room / "whole")
    while sum(one.kills for one in done) < kills:
        folder = room / str(len(done))
        done.append(kill_and_resume(folder, whole, seconds, draw))
        shutil.rmtree(folder)
    return done


def main() -> None:
    """Kill, resume, compare, and keep the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as room:
        done = killed_trainings(options.kills, Path(room), options.seed)
    kills, inside = sum(one.kills for one in done), sum(one.inside_saves for one in done)
    problems = [one.problem for one in done if one.problem is not None]
    print(f"{kills} kills of {len(done)} trainings, {inside} of them inside a save: {len(problems)} problems")
    for problem in problems:
        print(f"  {problem}")
    if options.kills >= 100:
        print(record("kills", {"seed": options.seed, "kills": kills, "inside_saves": inside, "trainings": done}))
    if problems:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
