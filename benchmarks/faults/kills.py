"""Kill trainings at random moments, also inside a save, and resume them: nothing may be lost and no bit may differ.

Each training saves a checkpoint at every event, so that most of its time is saving. It runs in a process of its own, is
killed (SIGKILL) at a moment drawn from the time that it takes, and resumed in another; that one is killed at a random
moment, too, until one gets to the end. Then weights and events must be those of the training that nobody disturbed.
With --processes above 1 as many train a model that is sharded over them (`fsdp`), so that each writes its part of every
checkpoint; one of them is killed, or all.

    python -m benchmarks.faults.kills [--kills 100] [--seed 0] [--processes 1]

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
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from safetensors.torch import load_file
from torch import nn
from torch.utils.data import TensorDataset

from benchmarks.recording import record
from hasten import Data, Stop, Task, Update
from hasten.base.records.plan import Plan
from hasten.base.records.run import Evaluation, Progress
from hasten.machine.facts import facts
from hasten.techniques.applying import apply_all
from hasten.techniques.parallel.fsdp import Fsdp
from hasten.training import loop, saving
from hasten.training.checkpoint import previous
from hasten.training.data_parallel import among, in_processes
from hasten.training.processes import Processes
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
    run_training(baseline(task()), Plan(task="killed"), show=lambda event: None, folder=folder, resume=prepared(folder))


def prepared(folder: Path) -> bool:
    """Return whether a folder has a checkpoint; one that has none is deleted."""
    saved = (folder / CHECKPOINT).exists() or previous(folder / CHECKPOINT).exists()
    if not saved:
        shutil.rmtree(folder, ignore_errors=True)
    return saved


def train_sharded(folder: Path, rank: int, size: int, meeting: Path, *, resume: bool) -> None:
    """Be one of several processes that train a sharded model in a folder."""
    loop.REPORT_EVERY_S, saving.CHECKPOINT_EVERY_S = 0.0, -1.0
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    store = dist.FileStore(str(meeting), size)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=size, timeout=timedelta(seconds=60))
    recipe = in_processes(apply_all([Fsdp()], among(baseline(task()), Processes(rank, size)), facts()))
    run_training(recipe, Plan(task="killed"), show=lambda event: None, folder=folder, resume=resume)
    dist.destroy_process_group()


def started(folder: Path, size: int) -> list[int]:
    """Start the processes of a training and return their numbers."""
    if size == 1:
        return [forked(lambda: train_in(folder))]
    resume, meeting = prepared(folder), folder.with_name(f"{folder.name} meet")
    meeting.unlink(missing_ok=True)
    return [
        forked(lambda rank=rank: train_sharded(folder, rank, size, meeting, resume=resume), quiet=True)
        for rank in range(size)
    ]


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


def kill_and_resume(folder: Path, whole: dict[str, Any], seconds: float, draw: random.Random, size: int) -> Killed:
    """Kill a training in a folder again and again until it gets to its end; compare it with the undisturbed one.

    Args:
        folder: of the run; new.
        whole: what the undisturbed training left.
        seconds: that it took.
        draw: gives the moments.
        size: number of its processes, of which one is killed, or all.
    """
    kills = inside = before = 0
    while True:
        children = started(folder, size)
        codes = ended_within(children, draw.uniform(0, seconds))
        if None in codes:
            running = [child for child, code in zip(children, codes, strict=True) if code is None]
            for child in running if draw.random() < 0.5 else [draw.choice(running)]:
                os.kill(child, signal.SIGKILL)
            left = ended_within(running, 90.0)
            for child in (child for child, code in zip(running, left, strict=True) if code is None):
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
            codes = [code for code in codes if code is not None] + [code or -signal.SIGKILL for code in left]
        if not any(codes):
            break
        if -signal.SIGKILL not in codes:
            return Killed(kills, inside, before, f"resumed after {kills} kills, it ended with exit codes {codes}")
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


def forked(function: Callable[[], None], *, quiet: bool = False) -> int:
    """Run a function in a fork of this process and return its number; an error ends it with 1, and is printed."""
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
        if not quiet:
            print(f"{type(error).__name__}: {error}", flush=True)
    finally:
        os._exit(code)


def ended_within(children: Sequence[int], seconds: float) -> list[int | None]:
    """Return the exit codes of processes, None for one that runs longer than so many seconds."""
    end, codes = time.monotonic() + seconds, dict[int, int]()
    while time.monotonic() < end and len(codes) < len(children):
        for child in children:
            if child not in codes:
                found, status = os.waitpid(child, os.WNOHANG)
                if found:
                    codes[child] = os.waitstatus_to_exitcode(status)
        time.sleep(0.001)
    return [codes.get(child) for child in children]


def undisturbed(folder: Path, size: int) -> tuple[dict[str, Any], float]:
    """Return what the training leaves when nobody disturbs it, and the seconds that it takes.

    The first one is made in this process, so that its forks have all modules and start at once.
    """
    train_in(folder.with_name("first"))
    for name in ("fsdp", "checkpoint") if size > 1 else ():
        import_module(f"torch.distributed.{name}")
    begin = time.monotonic()
    if any(code != 0 for code in ended_within(started(folder, size), 300.0)):
        raise SystemExit("the undisturbed training failed")
    return what_is_left(folder), time.monotonic() - begin


def killed_trainings(kills: int, room: Path, seed: int, size: int = 1) -> list[Killed]:
    """Kill trainings in turn until so many kills were made."""
    draw, done = random.Random(seed), list[Killed]()
    whole, seconds = undisturbed(room / "whole", size)
    while sum(one.kills for one in done) < kills:
        folder = room / str(len(done))
        done.append(kill_and_resume(folder, whole, seconds, draw, size))
        shutil.rmtree(folder)
    return done


def main() -> None:
    """Kill, resume, compare, and keep the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as room:
        done = killed_trainings(options.kills, Path(room), options.seed, options.processes)
    kills, inside = sum(one.kills for one in done), sum(one.inside_saves for one in done)
    problems = [one.problem for one in done if one.problem is not None]
    print(f"{kills} kills of {len(done)} trainings, {inside} of them inside a save: {len(problems)} problems")
    for problem in problems:
        print(f"  {problem}")
    if options.kills >= 100:
        name = "kills" if options.processes == 1 else "kills_sharded"
        content = {"seed": options.seed, "processes": options.processes, "kills": kills, "inside_saves": inside}
        print(record(name, {**content, "trainings": done}))
    if problems:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
