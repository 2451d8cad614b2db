"""What a checkpoint every 100 steps costs two processes with a sharded model, each of which writes its part.

    python -m benchmarks.parallel.divided_checkpoints [--rounds 8] [--every 100] [--width 512] [--smoke]

Two processes of one thread train a perceptron that is sharded over them (`fsdp`, Adam). Blocks of `--every` steps are
made in random order: `none` saves nothing; `parts` is what a training does (copy what this process has, write it beside
the steps, the first process writes the rest when all parts are on disk; they ask each other every tenth step);
`gathered` makes whole tensors of all state in every process, as checkpoints of one file need it, and writes them beside
the steps in the first one. Each saves once, at the begin of its block, and a save must be over before the next block
begins. A ratio is time per block over that of `none`: 1.02 is 2 % slower; beside other work the processor's time of the
first process, its threads included, says more.

--smoke makes one short round and writes nothing.
"""

import argparse
import math
import os
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter, process_time

import torch
import torch.distributed as dist
from torch import multiprocessing, nn
from torch.utils.data import TensorDataset

from benchmarks.recording import ratio, record, told
from hasten import Data, Stop, Task, Update
from hasten.machine import facts
from hasten.profiling.stepping import next_step
from hasten.techniques.applying import apply_all
from hasten.techniques.parallel.fsdp import Fsdp
from hasten.training.background import Background
from hasten.training.building import build
from hasten.training.checkpoint import divided_checkpoint
from hasten.training.checkpoint_file import copied, write_checkpoint
from hasten.training.checkpoint_parts import new_name, write_part
from hasten.training.data_parallel import among, in_processes
from hasten.training.joint_writing import JointWriting
from hasten.training.processes import Processes
from hasten.training.recipe import baseline
from hasten.training.session import Session
from hasten.training.sharding import whole

SIZE, ASKED_EVERY = 2, 10


@dataclass(frozen=True)
class Saving:
    """A save under way: what is done now and then between two steps, and what waits for its end."""

    between: Callable[[], object]
    over: Callable[[], object]


def none(run: Session, processes: Processes, path: Path) -> Saving:
    """Save nothing."""
    return Saving(lambda: None, lambda: None)


def parts(run: Session, processes: Processes, path: Path) -> Saving:
    """Let each process write its part."""
    background = Background()
    joint = JointWriting(processes, "cpu", background)
    part, rest = divided_checkpoint(run, {}, path)
    name = processes.of_first(new_name(run.position.step), "cpu")
    joint.start(name, partial(write_part, path, name, processes.rank, part), rest)

    def over() -> None:
        joint.finish()
        background.__exit__(None, None, None)

    return Saving(joint.advance, over)


def gathered(run: Session, processes: Processes, path: Path) -> Saving:
    """Make all state whole, and let the first process write it."""
    background = Background()
    content = copied(whole(run.state()))
    if processes.rank == 0:
        background.start(partial(write_checkpoint, path, content))
    return Saving(lambda: None, lambda: background.__exit__(None, None, None))


WAYS: Mapping[str, Callable[[Session, Processes, Path], Saving]] = {"none": none, "parts": parts, "gathered": gathered}


def task(width: int) -> Task:
    """Return a perceptron of three wide layers on random numbers."""
    seeded = torch.Generator().manual_seed(0)
    data = TensorDataset(torch.randn(4096, 64, generator=seeded), torch.randint(0, 10, (4096,), generator=seeded))
    return Task(
        name="wide",
        data=Data(train=data, valid=data),
        model=lambda: nn.Sequential(
            nn.Linear(64, width),
            nn.Sequential(nn.ReLU(), nn.Linear(width, width)),
            nn.Sequential(nn.ReLU(), nn.Linear(width, width)),
            nn.Linear(width, 10),
        ),
        update=Update(optimizer="adamw", lr=0.001),
        batch_size=128,
        stop=Stop(steps=10**6),
    )


def block_s(run: Session, processes: Processes, way: str, every: int, folder: Path) -> tuple[float, float]:
    """Return the seconds of so many steps, of which the first begins with a save, and the processor's."""
    path = folder / way / "last.pt"
    batches = run.batches()
    next_step(run, batches)  # which starts the loader
    dist.barrier()
    begin, begin_cpu = perf_counter(), process_time()
    saving = WAYS[way](run, processes, path)
    for number in range(every):
        next_step(run, batches)
        if number % ASKED_EVERY == 0:
            saving.between()
    saving.over()
    dist.barrier()
    return perf_counter() - begin, process_time() - begin_cpu


def work(rank: int, given: argparse.Namespace, folder: str) -> None:
    """Be one of the processes; the first writes the seconds of each block, by way, and the bytes of a part."""
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    torch.set_num_threads(1)
    store = dist.FileStore(f"{folder}/store", SIZE)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=SIZE, timeout=timedelta(minutes=10))
    processes = Processes(rank, SIZE)
    run = build(in_processes(apply_all([Fsdp()], among(baseline(task(given.width)), processes), facts())))
    shuffle, times, room = random.Random(0), {name: list[tuple[float, float]]() for name in WAYS}, Path(folder)
    with run.contexts:
        for name in WAYS:
            block_s(run, processes, name, min(given.every, 10), room)
        for _ in range(given.rounds):
            for name in shuffle.sample(list(WAYS), len(WAYS)):
                times[name].append(block_s(run, processes, name, given.every, room))
    if rank == 0:
        sizes = [one.stat().st_size for one in room.rglob("*.safetensors")]
        torch.save(
            {
                "block_s": {name: [one for one, _ in both] for name, both in times.items()},
                "cpu_s": {name: [one for _, one in both] for name, both in times.items()},
                "part_bytes": sizes,
                "whole_bytes": (room / "gathered/last.pt").stat().st_size,
            },
            room / "found.pt",
        )
    dist.destroy_process_group()


def main() -> None:
    """Measure, print and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--every", type=int, default=100)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--smoke", action="store_true")
    given = parser.parse_args()
    if given.smoke:
        given.rounds, given.every = 1, 5
    with TemporaryDirectory() as folder:
        multiprocessing.start_processes(work, args=(given, folder), nprocs=SIZE, start_method="fork")
        found = torch.load(Path(folder) / "found.pt")
    print(f"{median(found['block_s']['none']):.2f} s a block, parts of {max(found['part_bytes']) / 2**20:.1f} MiB")
    for name in list(WAYS)[1:] if given.rounds > 1 else ():
        for kind, key in (("block_s", name), ("cpu_s", f"{name}, processor")):
            pairs = zip(found[kind][name], found[kind]["none"], strict=True)
            found[key] = (interval := ratio([math.log(one / other) for one, other in pairs]))
            print(f"  {key:<20} {told(interval)}")
    if not given.smoke:
        settings = {"rounds": given.rounds, "every": given.every, "width": given.width, "processes": SIZE}
        print(record("divided_checkpoints", {**settings, "found": found}))


if __name__ == "__main__":
    main()
