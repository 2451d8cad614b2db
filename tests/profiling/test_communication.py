"""Two processes that train together: what they wait for each other is communication, and nothing else is."""

import json
import os
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, multiprocessing, nn, optim
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import TensorDataset

from hasten import Data, Stop, Task, Update
from hasten.profiling.communication import COLLECTIVES, collectives_marked, loop_marked
from hasten.profiling.timed import timed_steps
from hasten.profiling.timeout import time_limit
from hasten.profiling.watch import watch
from hasten.training.building import build
from hasten.training.marks import COMMUNICATION, OTHER, PARTS
from hasten.training.recipe import baseline
from hasten.training.transforms import Parameters, Stateless

STEPS = 24
LATE_S = 20e-3
WAYS = ("all_reduce", "async", "ddp", "hasten")


def test_without_other_processes_the_marks_are_the_ones_given() -> None:
    def mark(part: int) -> None:
        raise AssertionError

    with loop_marked(mark) as used:
        assert used is mark


def test_everything_that_was_replaced_is_put_back() -> None:
    plain = [getattr(dist, name) for name in COLLECTIVES]
    with collectives_marked(lambda part: None, lambda: OTHER):
        assert all(getattr(dist, name) is not one for name, one in zip(COLLECTIVES, plain, strict=True))
    assert [getattr(dist, name) for name in COLLECTIVES] == plain


def batch() -> tuple[Tensor, Tensor]:
    return torch.ones(16, 8), torch.zeros(16, dtype=torch.int64)


def late() -> None:
    """The second process comes late, and the first one waits for it."""
    if dist.get_rank() == 1:
        time.sleep(LATE_S)


def hand_written(way: str) -> dict[str, float]:
    model: nn.Module = nn.Linear(8, 2)
    if way == "ddp":
        model = DistributedDataParallel(model)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    with watch(model, optimizer, name=way) as watched:
        for inputs, target in watched.batches(batch() for _ in range(STEPS)):
            late()
            nn.functional.cross_entropy(model(inputs), target).backward()
            if way == "all_reduce":
                for parameter in model.parameters():
                    dist.all_reduce(parameter.grad)
            if way == "async":
                works = [dist.all_reduce(parameter.grad, async_op=True) for parameter in model.parameters()]
                for work in works:
                    work.wait()
            optimizer.step()
            optimizer.zero_grad()
    return {part.name: part.seconds for part in watched.profile().parts}


def averaged(parameters: Parameters) -> bool:
    late()
    for parameter in parameters.values():
        dist.all_reduce(parameter.grad)
    return True


def own_loop() -> dict[str, float]:
    inputs, target = batch()
    data = TensorDataset(inputs.repeat(8, 1), target.repeat(8))
    task = Task(
        name="together",
        data=Data(train=data, valid=data),
        model=lambda: nn.Linear(8, 2),
        update=Update(optimizer="sgd", lr=0.1),
        batch_size=16,
        stop=Stop(epochs=9),
    )
    run = build(replace(baseline(task), gradient=(Stateless(averaged),)))
    with time_limit(60.0, "steps") as limit:
        found = timed_steps(run, steps=STEPS, budget_s=30.0, limit=limit)
    return dict(zip(PARTS, found.times[4:].mean(axis=0).tolist(), strict=True))


def work(rank: int, folder: str) -> None:
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    torch.set_num_threads(1)
    found = {}
    for way in WAYS:
        store = f"file://{folder}/{way}"
        dist.init_process_group("gloo", init_method=store, rank=rank, world_size=2, timeout=timedelta(minutes=2))
        found[way] = own_loop() if way == "hasten" else hand_written(way)
        dist.destroy_process_group()
    Path(folder, f"{rank}.json").write_text(json.dumps(found))


@pytest.mark.dist
@pytest.mark.timeout(300)
def test_the_wait_for_another_process_is_communication(tmp_path: Path) -> None:
    multiprocessing.spawn(work, args=(str(tmp_path),), nprocs=2)
    waiting, late_one = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2))
    name = PARTS[COMMUNICATION]
    for way in WAYS:
        others = sum(seconds for part, seconds in waiting[way].items() if part != name)
        assert 0.7 * LATE_S < waiting[way][name] < 3 * LATE_S, (way, waiting[way])
        assert others < waiting[way][name], (way, waiting[way])
        assert late_one[way][name] < 0.5 * LATE_S, (way, late_one[way])
